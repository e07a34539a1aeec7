"""Each issue has its turn: whatever one of them brings up ends only its own work, is told on its record, and the next
one follows.

Redmine failing on one issue is that issue's, as long as Redmine answers otherwise: it is asked, and only when it does
not answer either does the fault end the whole run. An issue that keeps failing rests for a while, longer each time, so
that many of them cannot hold up the others either.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from redmine_mailbridge.errors import MailbridgeError, RedmineUnavailable, StoreError, UnknownLogin
from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Turns:
    """The turns of one kind of work (`what`, for the record). Safe to share among threads; it lives as long as the work
    is done again and again. `is_there` asks Redmine for a sign of life and raises RedmineUnavailable; `record` puts a
    line on the record of an issue, once.
    """

    what: str
    is_there: Callable[[], object]
    record: Callable[[int, str], None]
    clock: Callable[[], float] = time.monotonic
    _failed: dict[int, tuple[int, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, issue: int, work: Callable[[], int]) -> tuple[int, bool]:
        """Given an issue and its work, do it. Return what it returned, and whether it came to its end.

        Raise StoreError, and RedmineUnavailable when Redmine does not answer otherwise either.
        """
        tries, until = self._failed.get(issue, (0, 0.0))
        if until > self.clock():
            return 0, False
        try:
            done = work()
        except StoreError:
            raise
        except UnknownLogin as error:
            why = str(error)
        except RedmineUnavailable as error:
            self.is_there()
            why = f"Redmine fails on it: {error}"
        except MailbridgeError as error:
            why = str(error)
        except Exception as error:  # noqa: BLE001 - the border of one issue: whatever it brings up stops only its turn
            kind = type(error).__name__
            log.error("issue.fault", what=self.what, issue=issue, kind=kind, where=where(error))  # noqa: TRY400 - may quote it
            why = fault(error)
        else:
            with self._lock:
                self._failed.pop(issue, None)
            return done, True
        log.warning("issue.left_out", what=self.what, issue=issue, reason=why)
        with self._lock:
            self._failed[issue] = (tries + 1, self.clock() + pause_after(tries) if tries else 0.0)
        self.record(issue, f"{self.what}: {why}")
        return 0, False

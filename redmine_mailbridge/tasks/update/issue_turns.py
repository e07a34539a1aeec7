"""Processes issues one by one: an error on one issue is recorded in its history, and the next issue follows.

If Redmine fails on one issue but answers another request, the error counts for that issue only; if it does not answer,
the error ends the run. An issue that keeps failing is skipped for a while, longer each time, so that many such issues
do not delay the others.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import field

import structlog

from redmine_mailbridge.errors import MailbridgeError, RedmineUnavailable, StoreError, UnknownLogin
from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class IssueTurns:
    """Runs one kind of work (`what`, for the history) on issues and keeps their failures between runs. Safe to share
    among threads. `is_there` sends a test request to Redmine and raises RedmineUnavailable; `record` adds a line to the
    history of an issue, once.
    """

    what: str
    is_there: Callable[[], object]
    record: Callable[[int, str], None]
    clock: Callable[[], float] = time.monotonic
    _failed: dict[int, tuple[int, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, issue: int, work: Callable[[], int]) -> tuple[int, bool]:
        """Given an issue and its work, do the work. Return its result, and whether it succeeded.

        Raise StoreError, and RedmineUnavailable when Redmine does not answer the test request either.
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
        except Exception as error:  # noqa: BLE001 - the boundary of an issue: an error ends only its own work
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

"""Opens stored mails: parses them and stores their descriptions. An error affects only its own mail."""

from collections.abc import Callable, Sequence

import structlog

from redmine_mailbridge.errors import LockLost, RawMissing, RawUnreadable, StoreBusy, StoreError, StoreFull
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.fetch.fetcher import FetchSettings
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)

ReadMail = Callable[[StoredMail], Message]
FindCopies = Callable[[Sequence[tuple[StoredMail, Message]]], dict[int, StoredMail]]
"""Given mails and their messages, stores their descriptions and returns the original of each copy."""
Opened = list[tuple[StoredMail, Message]]


class MailReader:
    """Opens the mails of one mailbox. `report` is called with those that cannot be opened; the others continue."""

    def __init__(
        self,
        reading: FetchSettings,
        store: Store,
        *,
        read: ReadMail,
        find_copies: FindCopies,
        report: Callable[[ProcessingResult], None],
    ) -> None:
        self._reading = reading
        self._store = store
        self._read = read
        self._find_copies = find_copies
        self._report = report

    def open(self, rows: Sequence[StoredMail]) -> tuple[Opened, dict[int, StoredMail]]:
        """Given mails, return those that can be opened with their messages, and the original of each copy.

        Raise StoreError if the store cannot be read or written.
        """
        return self._described([(row, message) for row in rows if (message := self._readable(row)) is not None])

    def _readable(self, row: StoredMail) -> Message | None:
        """Given a mail, return its message; None if its content is missing or unreadable.

        A mail without content fails at once, an unreadable one after several attempts.
        """
        try:
            return self._read(row)
        except RawUnreadable as error:
            self._unreadable(row, str(error), for_good=isinstance(error, RawMissing))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a mail: a parse error affects only this mail
            self._fault(row, error)
        return None

    def _described(self, mails: Opened) -> tuple[Opened, dict[int, StoredMail]]:
        """Store the descriptions of mails, all at once, or one by one if that fails."""
        try:
            return mails, self._find_copies(mails)
        except (StoreBusy, StoreFull, LockLost):
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a mail: an error affects only this mail
            if len(mails) == 1:
                self._fault(mails[0][0], error)
                return [], {}
        opened: Opened = []
        copies: dict[int, StoredMail] = {}
        for mail in mails:
            more_opened, more_copies = self._described([mail])
            opened += more_opened
            copies |= more_copies
        return opened, copies

    def _fault(self, row: StoredMail, error: Exception) -> None:
        log.error("mail.fault", id=row.id, kind=type(error).__name__, where=where(error))
        self._unreadable(row, fault(error), for_good=False)

    def _unreadable(self, row: StoredMail, reason: str, *, for_good: bool) -> None:
        """Defer a mail that cannot be opened; it fails at once with `for_good`, otherwise after several attempts."""
        tries = row.tries + 1
        if not for_good and tries < self._reading.max_attempts:
            retry_at = self._store.defer(row.id, reason)
            self._report(ProcessingResult(row, row.state, reason, retry_at=retry_at))
            return
        self.set_aside(row, reason if for_good else f"failed after {tries} attempts: {reason}")

    def set_aside(self, row: StoredMail, reason: str) -> None:
        """Given a mail that cannot be opened, close it as failed."""
        self._store.finish(row.id, State.FAILED, reason, (reason,))
        self._report(ProcessingResult(row, State.FAILED, reason))

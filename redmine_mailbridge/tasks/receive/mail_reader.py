"""Opens mails that the store holds: reads them, notes what they say of themselves, each within a border of its own."""

from collections.abc import Callable, Sequence

import structlog

from redmine_mailbridge.errors import LockLost, RawMissing, RawUnreadable, StoreBusy, StoreError, StoreFull
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.fetch.fetcher import Reading
from redmine_mailbridge.tasks.receive.result import Outcome
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)

Read = Callable[[MailRow], Message]
FindCopies = Callable[[Sequence[tuple[MailRow, Message]]], dict[int, MailRow]]
"""Given mails and what they say, notes it, and returns for each that is a copy of another that other."""
Opened = list[tuple[MailRow, Message]]


class MailReader:
    """Opens the mails of one mailbox. `report` is told of those that cannot be opened: they stop no other."""

    def __init__(
        self,
        reading: Reading,
        store: Store,
        *,
        read: Read,
        find_copies: FindCopies,
        report: Callable[[Outcome], None],
    ) -> None:
        self._reading = reading
        self._store = store
        self._read = read
        self._find_copies = find_copies
        self._report = report

    def open(self, rows: Sequence[MailRow]) -> tuple[Opened, dict[int, MailRow]]:
        """Given mails, return those that can be opened with their messages, and of which other mail each is a copy.

        Raise StoreError when it is the store that cannot be read or written now.
        """
        return self._described([(row, message) for row in rows if (message := self._readable(row)) is not None])

    def _readable(self, row: MailRow) -> Message | None:
        """Given a mail, return its message; None when its bytes are gone or cannot be read: the others go on.

        Where they are gone it is set aside, where they cannot be read after some tries.
        """
        try:
            return self._read(row)
        except RawUnreadable as error:
            self._unreadable(row, str(error), for_good=isinstance(error, RawMissing))
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - the border of a mail: its reading must stop only this one
            self._fault(row, error)
        return None

    def _described(self, read: Opened) -> tuple[Opened, dict[int, MailRow]]:
        """Note what mails say of themselves, all at once, or each alone when one of them cannot be noted."""
        try:
            return read, self._find_copies(read)
        except (StoreBusy, StoreFull, LockLost):
            raise
        except Exception as error:  # noqa: BLE001 - the border of a mail: one that cannot be noted stops only itself
            if len(read) == 1:
                self._fault(read[0][0], error)
                return [], {}
        opened: Opened = []
        copies: dict[int, MailRow] = {}
        for one in read:
            more, others = self._described([one])
            opened += more
            copies |= others
        return opened, copies

    def _fault(self, row: MailRow, error: Exception) -> None:
        log.error("mail.fault", id=row.id, kind=type(error).__name__, where=where(error))
        self._unreadable(row, fault(error), for_good=False)

    def _unreadable(self, row: MailRow, reason: str, *, for_good: bool) -> None:
        """A mail cannot be opened: try again later, or set it aside, for good or after so many tries."""
        tries = row.tries + 1
        if not for_good and tries < self._reading.give_up_after:
            at = self._store.defer(row.id, reason)
            self._report(Outcome(row, row.state, reason, retry_at=at))
            return
        self.set_aside(row, reason if for_good else f"set aside after {tries} tries: {reason}")

    def set_aside(self, row: MailRow, reason: str) -> None:
        """Given a mail that will not be opened, end it."""
        self._store.end(row.id, State.ASIDE, reason, (reason,))
        self._report(Outcome(row, State.ASIDE, reason))

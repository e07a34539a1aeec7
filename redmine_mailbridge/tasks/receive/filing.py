"""The last station: a mail that has come to its end leaves its folder, and the store remembers where to.

What the server would not do with one mail is tried again in later passes, each mail at its own time, and stops no
other: a refusal, a fault of the server's, a connection that breaks. Only when the server cannot be reached any more, or
wants to be left alone, or does it to several mails in a row, nothing more is filed in this pass. With POP3 a deletion
counts only when the connection ends politely, so it is remembered only after that.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import structlog

from redmine_mailbridge.errors import FilingRefused, FolderMissing, MailboxError, MailboxUnreachable
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Filing, Location
from redmine_mailbridge.model.stored_mail import DELETED, MailRow
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive import removal
from redmine_mailbridge.tasks.receive.fetch.fetcher import Reading
from redmine_mailbridge.tasks.receive.refiling import lies_now
from redmine_mailbridge.tasks.receive.removal import Left
from redmine_mailbridge.tasks.receive.result import Outcome
from redmine_mailbridge.util.backoff import throttled

log = structlog.get_logger(__name__)

IN_A_ROW = 3
"""So many mails in a row that could not be filed for the connection's or the server's sake: it is no mail's own."""


class Filer:
    """Files the mails of one mailbox. Used by one thread at a time."""

    def __init__(
        self, mailbox: Mailbox, reading: Reading, store: Store, *, on_fault: Callable[[MailboxError], None]
    ) -> None:
        self._mailbox = mailbox
        self._reading = reading
        self._store = store
        self._on_fault = on_fault
        self._at_the_end: list[tuple[int, str]] = []
        self._vacated: set[int] = set()
        self._away: MailboxError | None = None
        self._in_a_row = 0

    def leftovers(self) -> None:
        """File what an earlier pass finished and could not file. Raise MailboxError when the server is away."""
        for row in self._store.unfiled(self._mailbox.name):
            place = self._try(row, row.state, first=False)
            if place is not None:
                self._remember([(row.id, place)])
        if self._away is not None:
            raise self._away

    def file(self, outcomes: Sequence[Outcome]) -> Iterator[Outcome]:
        """Given what became of mails, file those that are at their end. Return all, with where they are filed."""
        places: list[tuple[int, str]] = []
        for outcome in outcomes:
            place = None if outcome.open else self._try(outcome.row, outcome.state, first=outcome.row.file_tries == 0)
            if place is not None:
                places.append((outcome.row.id, place))
            yield outcome.filed_to(place) if place else outcome
        self._remember(places)

    def finish(self) -> None:
        """The pass is over: have deletions take effect where they wait for it, and remember them.

        Where the server did not confirm them they are not remembered, and the next pass asks for them again. Raise
        MailboxUnreachable then: it is an outage, after which there is a pause.
        """
        self._away, self._in_a_row = None, 0
        if not self._at_the_end:
            return
        places, self._at_the_end = self._at_the_end, []
        vacated, self._vacated = self._vacated, set()
        if self._mailbox.close():
            self._store.filed(places, vacated=vacated)
        else:
            log.warning("receive.not_confirmed", mails=len(places))
            raise MailboxUnreachable(f"mailbox {self._mailbox.name}: the server did not confirm its deletions")

    def _remember(self, places: list[tuple[int, str]]) -> None:
        if self._reading.files_at_the_end:
            self._at_the_end += places
        elif places:
            self._store.filed(places)

    def _try(self, row: MailRow, state: State, *, first: bool) -> str | None:
        """Given a mail that has come to its end, file it. Return where it is now, in words; None when not yet.

        `first`: nobody has tried before.
        """
        if self._away is not None or self._in_a_row >= IN_A_ROW:
            return None
        try:
            place = self._place(row, state, first=first)
        except MailboxUnreachable as error:
            self._not_now(row, error)
            return None
        except MailboxError as error:
            self._is_away(error)
            return None
        self._in_a_row = 0
        return place

    def _not_now(self, row: MailRow, error: MailboxUnreachable) -> None:
        """The connection broke over a mail, or the server spoke of itself: it has its own pause, others are filed."""
        if throttled(str(error)):
            self._is_away(error)
            return
        self._in_a_row += 1
        self._store.defer_filing(row.id, str(error), spare_first=True)
        log.warning("receive.not_filed", reason=str(error), id=row.id)
        if not error.answered:
            try:
                self._mailbox.connect()
            except MailboxError as away:
                self._is_away(away)
        if self._in_a_row == IN_A_ROW:
            self._on_fault(error)

    def _is_away(self, error: MailboxError) -> None:
        """Nothing more is asked of the server in this pass."""
        self._away = error
        self._on_fault(error)

    def _move(self, row: MailRow, state: State, folder: str, *, first: bool) -> Left:
        """Move one mail; a folder that somebody has removed since is made anew.

        Raise FolderMissing where the server has the folder, and says no to the move all the same.
        """
        try:
            return removal.move(self._mailbox, self._store, row, state, folder, first=first)
        except FolderMissing:
            if not self._mailbox.ensure_folder(folder):
                raise
            return removal.move(self._mailbox, self._store, row, state, folder, first=first)

    def _kept_until(self, row: MailRow, state: State) -> float | None:
        """Until when a mail that is done stays on the server (seconds since the epoch); None: it is no such mail."""
        reading = self._reading
        if state is not State.DONE or reading.after_success != "keep" or reading.keep_for is None:
            return None
        done_at = row.changed_at if row.state is state else self._store.clock()
        return done_at + reading.keep_for

    def _leave(self, row: MailRow, state: State, what: str, folder: str | None, *, first: bool) -> Left:
        """Given a mail that has come to its end, have it leave its place, or stay there marked, as the settings say."""
        if what == "delete":
            return removal.delete(self._mailbox, self._store, row, state)
        if what == "move" and folder:
            return self._move(row, state, folder, first=first)
        return Left(self._mailbox.mark(row.location))

    def _filed_before(self, row: MailRow) -> Location | None:
        """Given a mail that is not where it was read, return where it lies that was filed before and tried again."""
        folders = {self._reading.success_folder, self._reading.failure_folder} - {None}
        if row.filed_to is None or row.filed_to not in folders:
            return None
        try:
            return lies_now(self._mailbox, self._store, row, row.filed_to, max_size=self._reading.max_size)
        except FolderMissing:
            return None

    def _place(self, row: MailRow, state: State, *, first: bool) -> str | None:
        """Given a mail that has come to its end, file it. Return where it is now, in words; None when not yet."""
        if state is State.HELD:
            return None
        what: str = self._reading.after_success if state is State.DONE else self._reading.after_failure
        folder = self._reading.success_folder if state is State.DONE else self._reading.failure_folder
        until = self._kept_until(row, state)
        if until is not None and until <= self._store.clock():
            what = "delete"
        try:
            left = self._leave(row, state, what, folder, first=first)
            place = self._filed_before(row) if left.filing is Filing.GONE else None
            if place is not None:
                if state is State.DONE and what == "keep":  # back where it was read, where it is known as what it is
                    what, folder = "move", row.location.folder
                row = replace(row, location=place)
                left = self._leave(row, state, what, folder, first=False)
        except (FilingRefused, FolderMissing) as error:
            self._store.defer_filing(row.id, str(error))
            log.warning("receive.not_filed", reason=str(error), id=row.id)
            return None
        if until is not None and left.filing is Filing.KEPT and left.why is None:
            self._store.postpone_filing(row.id, until)
            return None
        if self._reading.files_at_the_end and left.filing in {Filing.DELETED, Filing.GONE}:
            self._vacated.add(row.id)  # a UIDL may be used again
        words = {
            Filing.MOVED: str(folder),
            Filing.DELETED: DELETED,
            Filing.KEPT: f"left in {row.location.folder}" + (f": {left.why}" if left.why else ""),
            Filing.GONE: f"no longer in {row.location.folder}, so nothing to do",
        }
        return words[left.filing]

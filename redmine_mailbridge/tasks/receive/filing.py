"""The last step: a closed mail is moved out of its folder, and the store records where to.

If the server rejects, fails, or closes the connection while filing one mail, the mail is retried in later passes and
does not delay the others. If the server cannot be reached, is throttling, or fails on several mails in a row, nothing
more is filed in this pass. A POP3 deletion takes effect only with QUIT, so it is recorded only after that.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import structlog

from redmine_mailbridge.errors import FilingRefused, FolderMissing, MailboxError, MailboxUnreachable
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import JUNK, Filing, Location
from redmine_mailbridge.model.stored_mail import DELETED, StoredMail
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive import removal
from redmine_mailbridge.tasks.receive.fetch.fetcher import FetchSettings
from redmine_mailbridge.tasks.receive.refiling import lies_now
from redmine_mailbridge.tasks.receive.removal import RemovalResult
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.util.backoff import throttled

log = structlog.get_logger(__name__)

IN_A_ROW = 3
"""After this many connection or server errors in a row, filing stops: the errors are not caused by single mails."""


class Filer:
    """Files the mails of one mailbox. Used by one thread at a time."""

    def __init__(
        self, mailbox: Mailbox, reading: FetchSettings, store: Store, *, on_fault: Callable[[MailboxError], None]
    ) -> None:
        self._mailbox = mailbox
        self._reading = reading
        self._store = store
        self._on_fault = on_fault
        self._at_the_end: list[tuple[int, str]] = []
        self._vacated: set[int] = set()
        self._junk = reading.junk_folder
        self._away: MailboxError | None = None
        self._in_a_row = 0

    def leftovers(self) -> None:
        """File mails that earlier passes closed but could not file. Raise MailboxError if the server is unavailable."""
        for row in self._store.unfiled(self._mailbox.name):
            place = self._try(row, row.state, first=False, junk=row.junk)
            if place is not None:
                self._remember([(row.id, place)])
        if self._away is not None:
            raise self._away

    def file(self, outcomes: Sequence[ProcessingResult]) -> Iterator[ProcessingResult]:
        """Given processing results, file the closed mails. Yield all results, with the place of those filed."""
        places: list[tuple[int, str]] = []
        for outcome in outcomes:
            first, junk = outcome.row.file_tries == 0, outcome.junk
            place = None if outcome.open else self._try(outcome.row, outcome.state, first=first, junk=junk)
            if place is not None:
                places.append((outcome.row.id, place))
            yield outcome.filed_to(place) if place else outcome
        self._remember(places)

    def finish(self) -> None:
        """End the pass: make pending deletions take effect, and record them.

        Deletions that the server does not confirm are not recorded and are repeated in the next pass. Raise
        MailboxUnreachable then, which counts as an outage.
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

    def _try(self, row: StoredMail, state: State, *, first: bool, junk: bool) -> str | None:
        """Given a closed mail, file it, as spam if it is `junk`. Return its place in words; None if it has not been
        filed yet.

        `first`: this is the first attempt.
        """
        if self._away is not None or self._in_a_row >= IN_A_ROW:
            return None
        try:
            place = self._place(row, state, first=first, junk=junk and state is State.REJECTED)
        except MailboxUnreachable as error:
            self._not_now(row, error)
            return None
        except MailboxError as error:
            self._is_away(error)
            return None
        self._in_a_row = 0
        return place

    def _not_now(self, row: StoredMail, error: MailboxUnreachable) -> None:
        """The connection broke while filing a mail, or the server failed: defer this mail and file the others."""
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
        """Send no more requests to the server in this pass."""
        self._away = error
        self._on_fault(error)

    def _move(self, row: StoredMail, state: State, folder: str, *, first: bool) -> RemovalResult:
        """Move one mail; if the folder has been deleted, create it again.

        Raise FolderMissing if the folder exists and the server rejects the move nevertheless.
        """
        try:
            return removal.move(self._mailbox, self._store, row, state, folder, first=first)
        except FolderMissing:
            if not self._mailbox.ensure_folder(folder):
                raise
            return removal.move(self._mailbox, self._store, row, state, folder, first=first)

    def _kept_until(self, row: StoredMail, state: State) -> float | None:
        """Until when a processed mail is kept on the server (seconds since the epoch); None if it is not kept."""
        reading = self._reading
        if state is not State.DONE or reading.after_success != "keep" or reading.keep_for is None:
            return None
        done_at = row.changed_at if row.state is state else self._store.clock()
        return done_at + reading.keep_for

    def _leave(self, row: StoredMail, state: State, what: str, folder: str | None, *, first: bool) -> RemovalResult:
        """Given a closed mail, move or delete it, or mark it and leave it in place, according to the settings."""
        if what == "delete":
            return removal.delete(self._mailbox, self._store, row, state)
        if what == "move" and folder:
            return self._move(row, state, folder, first=first)
        return RemovalResult(self._mailbox.mark(row.location))

    def _filed_before(self, row: StoredMail) -> Location | None:
        """Given a mail that was filed, retried, and is no longer where it was read, return its present place."""
        folders = {self._reading.success_folder, self._reading.failure_folder}
        if row.filed_to is None or (row.filed_to not in folders and row.filed_to != self._junk_folder()):
            return None
        try:
            return lies_now(self._mailbox, self._store, row, row.filed_to, max_size=self._reading.max_size)
        except FolderMissing:
            return None

    def _junk_folder(self) -> str | None:
        """Where spam goes: the folder of the settings, the account's own, or one that is made; None with POP3, and
        where that folder is read itself.
        """
        if self._reading.files_at_the_end:
            return None
        if self._junk is None:
            self._junk = self._reading.junk_folder or self._mailbox.junk() or JUNK
        return None if self._junk in self._reading.folders else self._junk

    def _destination(self, state: State, *, junk: bool) -> tuple[str, str | None]:
        """What becomes of a mail on the server, and its folder."""
        if state is State.DONE:
            return self._reading.after_success, self._reading.success_folder
        folder = self._junk_folder() if junk else None
        if folder is not None:
            return "move", folder
        return self._reading.after_failure, self._reading.failure_folder

    def _place(self, row: StoredMail, state: State, *, first: bool, junk: bool) -> str | None:
        """Given a closed mail, file it. Return its place in words; None if it has not been filed yet."""
        if state is State.HELD:
            return None
        what, folder = self._destination(state, junk=junk)
        until = self._kept_until(row, state)
        if until is not None and until <= self._store.clock():
            what = "delete"
        try:
            removal = self._leave(row, state, what, folder, first=first)
            place = self._filed_before(row) if removal.filing is Filing.GONE else None
            if place is not None:
                if state is State.DONE and what == "keep":  # back to where it was read, where it is known
                    what, folder = "move", row.location.folder
                row = replace(row, location=place)
                removal = self._leave(row, state, what, folder, first=False)
        except (FilingRefused, FolderMissing) as error:
            self._store.defer_filing(row.id, str(error))
            log.warning("receive.not_filed", reason=str(error), id=row.id)
            return None
        if until is not None and removal.filing is Filing.KEPT and removal.why is None:
            self._store.file_after(row.id, until)
            return None
        if self._reading.files_at_the_end and removal.filing in {Filing.DELETED, Filing.GONE}:
            self._vacated.add(row.id)  # a UIDL may be used again
        texts = {
            Filing.MOVED: str(folder),
            Filing.DELETED: DELETED,
            Filing.KEPT: f"left in {row.location.folder}" + (f": {removal.why}" if removal.why else ""),
            Filing.GONE: f"no longer in {row.location.folder}, so nothing to do",
        }
        return texts[removal.filing]

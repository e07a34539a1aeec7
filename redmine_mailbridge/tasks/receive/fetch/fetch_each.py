"""Fetches listed mails so that one bad mail does not block the others, and a server fault is not blamed on a mail.

An error message proves little: Gmail returns "System Error" permanently for a single bad mail, and for all mails during
an outage. So the other mails decide:

- The server refuses a mail, and the connection is open: the mail is requested once more, then the next ones, one by
  one. If one of them is delivered, the bad mail is skipped. If three in a row fail, and another one after them, the
  server is at fault.
- The connection breaks: the pass ends, and the next one fetches mail by mail. A mail that breaks the connection when
  fetched alone is tried in turn with another mail; if the other is delivered and this one breaks the connection again,
  it is skipped.
- The server throttles: the pass ends, whatever mail was being fetched.

A skipped mail fails if the server's error is about the mail and others were delivered. Otherwise it is stored without
content and retried in later passes (see tasks/receive/fetch/refetch.py).
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import field

from redmine_mailbridge.errors import MailboxUnreachable, MailUnreadable, TooManyLogins
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.mailboxes.spool import PIECE
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, RawMail
from redmine_mailbridge.model.stored_mail import Cursor, StoredMail
from redmine_mailbridge.store.mails.doubts import Doubt, Doubts
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_mails.spool import discard
from redmine_mailbridge.util.backoff import throttled
from redmine_mailbridge.util.dataclass import dataclass

CHUNK = 50
BATCH_BYTES = 4 * 1024 * 1024
IN_A_ROW = 3
"""After this many failed mails in a row, the server is suspected instead of the mails."""
AGAIN_AFTER = 30.0
"""Seconds before a skipped mail is fetched again."""
ALONE = 3
"""How many passes end at a mail that cannot be fetched, when there are no others to compare, before it is skipped."""


@dataclass(slots=True)
class _Run:
    """The state of one call of `take`: the remaining mails, the cursor, and the failed mails with their errors.

    No mail was delivered after the last of `missing`. Another mail was delivered right before `beside` is requested.
    """

    todo: list[Listed]
    cursor: Cursor
    doubt: Doubt
    missing: list[tuple[Listed, MailboxUnreachable]] = field(default_factory=list)
    beside: Listed | None = None

    def behind(self, mail: Listed) -> None:
        """Move the cursor past this mail."""
        if mail in self.todo:
            self.todo = self.todo[self.todo.index(mail) + 1 :]


class MessageDownloader:
    """Fetches and stores the mails of one mailbox. Used by one thread at a time."""

    def __init__(self, mailbox: Mailbox, store: Store, *, max_size: int) -> None:
        self._mailbox = mailbox
        self._store = store
        self._max_size = max_size
        self._doubts = Doubts(store)
        self.way = ""
        """The run and its connection, for the first line of each mail's history."""
        self.came = 0
        """The number of mails delivered so far."""
        self._came_before = 0

    def begin(self, way: str) -> None:
        """Begin a pass."""
        self.way, self._came_before = way, self.came

    def fetch(self, mails: Sequence[Listed]) -> Iterator[RawMail]:
        """Given mails of one folder, yield their content. Raise as `Mailbox.fetch`."""
        return self._mailbox.fetch(mails, self._store.raw.spool, max_size=self._max_size)

    def take(self, listed: Sequence[Listed], cursor: Cursor) -> Generator[list[StoredMail], None, Cursor]:
        """Given new mails of one folder, oldest first, and the folder's cursor, fetch and store them.

        Yield their rows in batches, each committed before it is yielded. Return the new cursor, past all of them. Raise
        MailboxUnreachable; what has been yielded stays stored.
        """
        place = listed[0].location
        run = _Run(list(listed), cursor, self._doubts.of(place))
        try:
            yield from self._begin(run)
            while run.todo:
                mails = run.todo[:1] if run.doubt.single or run.missing else run.todo
                try:
                    yield from self._fetch(mails, run)
                except MailboxUnreachable as error:
                    yield from self._did_not_come(mails, run, error)
            yield from self._end(run)
            run.doubt = Doubt()
        finally:
            self._doubts.note(place, run.doubt)
        last = Cursor(run.cursor.uid_validity, listed[-1].location.uid)
        if last != run.cursor:  # the last listed mails were deleted before they were fetched
            self._store.move_cursor(place.mailbox, place.folder, last)
        return last

    def _fetch(self, mails: Sequence[Listed], run: _Run) -> Iterator[list[StoredMail]]:
        """Fetch and store these mails. When one is delivered, the failed ones before it are skipped."""
        for batch in batches(self.fetch(mails)):
            yield from self._pass_by(run)
            run.cursor = Cursor(run.cursor.uid_validity, batch[-1].listed.location.uid)
            run.behind(batch[-1].listed)
            self.came += len(batch)
            yield self._store.add(batch, cursor=run.cursor, way=self.way)
        run.behind(mails[-1])

    def _did_not_come(
        self, mails: Sequence[Listed], run: _Run, error: MailboxUnreachable
    ) -> Iterator[list[StoredMail]]:
        """One of these mails failed: request it once more and continue after it. Raise when the pass must end."""
        self._unless_over(mails, run, error)
        if not run.todo:
            raise error
        uid = error.uid if isinstance(error, MailUnreadable) else ""
        mail = next((listed for listed in run.todo if listed.location.uid == uid), run.todo[0])
        try:
            yield from self._fetch([mail], run)
        except MailboxUnreachable as second_error:
            self._unless_over([mail], run, second_error)
            run.missing.append((mail, second_error))
            run.behind(mail)
        if len(run.missing) >= IN_A_ROW and run.todo:
            self._another_comes(run.todo)
            yield from self._pass_by(run)

    def _unless_over(self, mails: Sequence[Listed], run: _Run, error: MailboxUnreachable) -> None:
        """Given an error while fetching these mails, return if the connection is still usable, otherwise raise it.

        A broken connection is counted against the mails, except when none was opened (TooManyLogins).
        """
        if isinstance(error, TooManyLogins):
            raise error
        if not error.answered:
            run.doubt.single = True
            if len(mails) == 1:
                run.doubt.against(mails[0].location.uid, str(error))
                run.doubt.other_first = True
                run.doubt.blamed += mails[0] is run.beside
            raise error
        if throttled(str(error)):
            raise error

    def _another_comes(self, others: Sequence[Listed]) -> None:
        """Return if the server delivers another mail, the newest that is not large. Raise MailboxUnreachable."""
        small = [mail for mail in others if mail.size <= PIECE]
        for raw in self.fetch(small[-1:] or [min(others, key=lambda mail: mail.size)]):
            discard(raw)  # it is fetched again in its turn

    def _begin(self, run: _Run) -> Iterator[list[StoredMail]]:
        """If an earlier pass ended at the first of these mails, test whether only this one is not delivered."""
        first, doubt = run.todo[0], run.doubt
        if doubt.uid != first.location.uid:
            doubt.lift()
            return
        skips = doubt.fails >= ALONE and len(run.todo) == 1
        if doubt.other_first and len(run.todo) > 1:
            doubt.other_first = False  # next time, this mail is tried first, unless it breaks the connection again
            self._another_comes(run.todo[1:])
            skips, run.beside = doubt.blamed > 0, first
        if skips:
            run.missing.append((first, MailboxUnreachable(doubt.words)))
            run.behind(first)
            doubt.lift()
            yield from self._pass_by(run)

    def _end(self, run: _Run) -> Iterator[list[StoredMail]]:
        """All mails were requested, and the last ones failed. Raise if the server may be at fault."""
        if not run.missing:
            return
        first, error = run.missing[0]
        if not all(_of_itself(error) for _, error in run.missing):
            run.doubt.against(first.location.uid, str(error))
            if run.doubt.fails < ALONE:
                raise error
        yield from self._pass_by(run)

    def _pass_by(self, run: _Run) -> Iterator[list[StoredMail]]:
        """Skip the failed mails: each is recorded as failed, or fetched again later."""
        for mail, error in run.missing:
            run.cursor = Cursor(run.cursor.uid_validity, mail.location.uid)
            if _of_itself(error) and self.came > self._came_before:
                row = self._store.add_unfetched(mail, str(error), cursor=run.cursor)
            else:
                next_try_at = self._store.clock() + AGAIN_AFTER
                row = self._store.add_unfetched(
                    mail, str(error), cursor=run.cursor, state=State.STORED, next_try_at=next_try_at
                )
            yield [row]
        run.missing = []


def _of_itself(error: MailboxUnreachable) -> bool:
    """Whether the server's error is about the mail, not about the server."""
    return isinstance(error, MailUnreadable) and not error.of_server


def batches(raws: Iterator[RawMail]) -> Iterator[list[RawMail]]:
    """Given fetched mails, yield them in batches that fit in memory; an error is raised after the last full batch.

    A large mail, which is spooled to disk, ends its batch: it is stored before the next mail is fetched.
    """
    batch: list[RawMail] = []
    held = 0
    try:
        for raw in raws:
            batch.append(raw)
            held += len(raw.content or b"")
            if raw.path is not None or len(batch) >= CHUNK or held >= BATCH_BYTES:
                yield batch
                batch, held = [], 0
    except MailboxUnreachable:
        if batch:
            yield batch
        raise
    if batch:
        yield batch

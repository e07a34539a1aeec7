"""Fetches listed mails so that no mail stops the others, and nothing that the server suffers is blamed on a mail.

What a server says proves little: Gmail tells "System Error" of one mail for ever while all others come, and of all of
them while it is not well. So the others decide:

- A mail is refused, and the connection stands: it is asked for once more, then the next ones, one by one. When one of
  them comes, the mail is passed by. When three in a row do not come, nor another one behind them, it is the server.
- The connection breaks: the pass ends, and the next one fetches one by one. The mail that breaks it alone is asked for
  in turn with another one; when that one comes, and this one breaks the connection again, it is passed by.
- The server wants to be left alone: the pass ends, whoever was in hand.

A mail that is passed by is set aside where the server's words are about the mail, and others came. Else it waits, known
to the store without its bytes, and is fetched anew by later passes (see tasks/receive/fetch/refetch.py).
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

from redmine_mailbridge.errors import MailboxUnreachable, MailUnreadable, TooManyLogins
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.mailboxes.spool import PIECE
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, RawMail
from redmine_mailbridge.model.stored_mail import Cursor, MailRow
from redmine_mailbridge.store.mails.doubts import Doubt, Doubts
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_files import discard
from redmine_mailbridge.util.backoff import throttled

CHUNK = 50
BATCH_BYTES = 4 * 1024 * 1024
IN_A_ROW = 3
"""So many mails in a row that do not come are no longer each one's own affair."""
AGAIN_AFTER = 30.0
"""Seconds before a mail that was passed by is asked for anew."""
ALONE = 3
"""So many passes end at a mail that does not come and has no others beside it, before it is passed by."""


@dataclass(slots=True)
class _Run:
    """One call of `take`: what is left to do, how far it went, the mails that did not come and what was said of each.

    After the last of `missing` no other mail has come. Right before `beside` is asked for, another one came.
    """

    todo: list[Listed]
    cursor: Cursor
    doubt: Doubt
    missing: list[tuple[Listed, MailboxUnreachable]] = field(default_factory=list)
    beside: Listed | None = None

    def behind(self, mail: Listed) -> None:
        """Done with everything up to this mail."""
        if mail in self.todo:
            self.todo = self.todo[self.todo.index(mail) + 1 :]


class Fetcher:
    """Fetches and keeps the mails of one mailbox. Used by one thread at a time."""

    def __init__(self, mailbox: Mailbox, store: Store, *, max_size: int) -> None:
        self._mailbox = mailbox
        self._store = store
        self._max_size = max_size
        self._doubts = Doubts(store)
        self.way = ""
        """How the mails of this pass are taken: the run and its connection, the first step of each mail's record."""
        self.came = 0
        """How many mails have come, ever."""
        self._came_before = 0

    def begin(self, way: str) -> None:
        """A pass begins."""
        self.way, self._came_before = way, self.came

    def fetch(self, part: Sequence[Listed]) -> Iterator[RawMail]:
        """Given mails of one folder, yield their bytes. Raise as `Mailbox.fetch`."""
        return self._mailbox.fetch(part, self._store.raw.spool, max_size=self._max_size)

    def take(self, listed: Sequence[Listed], cursor: Cursor) -> Generator[list[MailRow], None, Cursor]:
        """Given new mails of one folder, oldest first, and how far it was read, fetch and keep them.

        Yield their rows in batches, each durable when it is yielded. Return how far that went: past all of them. Raise
        MailboxUnreachable; what was yielded stands.
        """
        place = listed[0].location
        run = _Run(list(listed), cursor, self._doubts.of(place))
        try:
            yield from self._begin(run)
            while run.todo:
                part = run.todo[:1] if run.doubt.single or run.missing else run.todo
                try:
                    yield from self._fetch(part, run)
                except MailboxUnreachable as error:
                    yield from self._did_not_come(part, run, error)
            yield from self._end(run)
            run.doubt = Doubt()
        finally:
            self._doubts.note(place, run.doubt)
        last = Cursor(run.cursor.validity, listed[-1].location.uid)
        if last != run.cursor:  # what was listed last had vanished before it was fetched
            self._store.move_cursor(place.mailbox, place.folder, last)
        return last

    def _fetch(self, part: Sequence[Listed], run: _Run) -> Iterator[list[MailRow]]:
        """Fetch and keep these mails. When one of them comes, those that did not come before it are passed by."""
        for batch in batches(self.fetch(part)):
            yield from self._pass_by(run)
            run.cursor = Cursor(run.cursor.validity, batch[-1].listed.location.uid)
            run.behind(batch[-1].listed)
            self.came += len(batch)
            yield self._store.keep(batch, cursor=run.cursor, way=self.way)
        run.behind(part[-1])

    def _did_not_come(self, part: Sequence[Listed], run: _Run, error: MailboxUnreachable) -> Iterator[list[MailRow]]:
        """Of these mails one did not come: ask for it once more, and go on behind it. Raise when the pass must end."""
        self._unless_over(part, run, error)
        if not run.todo:
            raise error
        uid = error.uid if isinstance(error, MailUnreadable) else ""
        mail = next((one for one in run.todo if one.location.uid == uid), run.todo[0])
        try:
            yield from self._fetch([mail], run)
        except MailboxUnreachable as again:
            self._unless_over([mail], run, again)
            run.missing.append((mail, again))
            run.behind(mail)
        if len(run.missing) >= IN_A_ROW and run.todo:
            self._another_comes(run.todo)
            yield from self._pass_by(run)

    def _unless_over(self, part: Sequence[Listed], run: _Run, error: MailboxUnreachable) -> None:
        """Given an error at these mails, return when the connection stands and may be used. Else raise it.

        What a broken connection says of them is noted; that none was made (TooManyLogins) says nothing.
        """
        if isinstance(error, TooManyLogins):
            raise error
        if not error.answered:
            run.doubt.single = True
            if len(part) == 1:
                run.doubt.against(part[0].location.uid, str(error))
                run.doubt.other_first = True
                run.doubt.blamed += part[0] is run.beside
            raise error
        if throttled(str(error)):
            raise error

    def _another_comes(self, others: Sequence[Listed]) -> None:
        """Return when the server hands out another mail, the newest that is not large. Raise MailboxUnreachable."""
        small = [mail for mail in others if mail.size <= PIECE]
        for raw in self.fetch(small[-1:] or [min(others, key=lambda mail: mail.size)]):
            discard(raw)  # it comes again when it is its turn

    def _begin(self, run: _Run) -> Iterator[list[MailRow]]:
        """When an earlier pass ended at the first of these mails: does another one come, while this one does not?"""
        first, doubt = run.todo[0], run.doubt
        if doubt.uid != first.location.uid:
            doubt.lift()
            return
        over = doubt.fails >= ALONE and len(run.todo) == 1
        if doubt.other_first and len(run.todo) > 1:
            doubt.other_first = False  # the next time this one is first, unless it breaks the connection again
            self._another_comes(run.todo[1:])
            over, run.beside = doubt.blamed > 0, first
        if over:
            run.missing.append((first, MailboxUnreachable(doubt.words)))
            run.behind(first)
            doubt.lift()
            yield from self._pass_by(run)

    def _end(self, run: _Run) -> Iterator[list[MailRow]]:
        """All were asked for, and the last ones did not come. Raise when that may be the server's doing."""
        if not run.missing:
            return
        first, error = run.missing[0]
        if not all(_of_itself(error) for _, error in run.missing):
            run.doubt.against(first.location.uid, str(error))
            if run.doubt.fails < ALONE:
                raise error
        yield from self._pass_by(run)

    def _pass_by(self, run: _Run) -> Iterator[list[MailRow]]:
        """Go on behind the mails that did not come: set aside, or to be fetched anew."""
        for mail, error in run.missing:
            run.cursor = Cursor(run.cursor.validity, mail.location.uid)
            if _of_itself(error) and self.came > self._came_before:
                row = self._store.keep_unfetched(mail, str(error), cursor=run.cursor)
            else:
                at = self._store.clock() + AGAIN_AFTER
                row = self._store.keep_unfetched(mail, str(error), cursor=run.cursor, state=State.KEPT, next_try_at=at)
            yield [row]
        run.missing = []


def _of_itself(error: MailboxUnreachable) -> bool:
    """Is what the server said about the mail, and not about the server?"""
    return isinstance(error, MailUnreadable) and not error.of_server


def batches(raws: Iterator[RawMail]) -> Iterator[list[RawMail]]:
    """Given fetched mails, yield them in batches that are small enough to hold in memory, also before an error.

    A large one, which lies in the spool, ends its batch: it is kept before the next one is fetched.
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

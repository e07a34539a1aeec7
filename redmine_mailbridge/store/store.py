"""The one class whose methods are the life of a mail (see life.py for the picture).

Every method is one transaction; every change of state is a conditional update that must change exactly one row.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from redmine_mailbridge.effects import Effect, effect
from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.mailboxes.base import Listed, Location, RawMail
from redmine_mailbridge.store.due import NEVER, mail_is_due
from redmine_mailbridge.store.engine import Database
from redmine_mailbridge.store.filed import SET, STEP, Filed, write_steps
from redmine_mailbridge.store.life import FOLLOWS, OPEN, State, pause_after
from redmine_mailbridge.store.lock import Lock, is_held, take_lock
from redmine_mailbridge.store.outbox import NewAnswer, queue
from redmine_mailbridge.store.raw import RawStore, discard
from redmine_mailbridge.store.rows import COLUMNS, Cursor, MailRow, as_row
from redmine_mailbridge.store.schema import mail, outbox, participant


class Store(Filed):
    """Keeps mails: their bytes on disk, their rows in the database. Safe for many threads.

    Every method raises StoreBusy, StoreFull or StoreError when the database or the disk will not.
    """

    def __init__(self, database: Database, raw: RawStore, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(database, clock)
        self.raw = raw

    @classmethod
    def open(cls, url: str, raw_dir: Path, *, clock: Callable[[], float] = time.time) -> Self:
        """Given a database URL and a folder, return the store, its tables brought up to date."""
        database = Database(url)
        database.migrate()
        return cls(database, RawStore(raw_dir), clock=clock)

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    def lock(self, name: str, *, wait: float = 0.0) -> Lock:
        """Take the lock of this name for this process. Raise AlreadyRunning when another holds it."""
        return take_lock(self.database, name, wait=wait)

    def is_locked(self, name: str) -> bool:
        """Does any process hold the lock of this name?"""
        return is_held(self.database, name)

    # ------------------------------------------------------------------ keep

    def keep(self, raws: Sequence[RawMail], *, cursor: Cursor | None = None, way: str = "") -> list[MailRow]:
        """Given mails of one folder, put bytes and rows durably down, and move the folder's cursor with them.

        A location that is already known keeps its row: keeping is idempotent. `way` is how they were taken, the first
        step of each new one. Return the rows in order.
        """
        if not raws:
            return []
        try:
            with self.raw.in_use:
                return self._keep(raws, cursor, way)
        finally:
            for raw in raws:  # those behind one that could not be kept
                discard(raw)

    def _keep(self, raws: Sequence[RawMail], cursor: Cursor | None, way: str) -> list[MailRow]:
        digests = [self.raw.keep(raw) for raw in raws]
        now = self.clock()
        values = [_new_row(raw, digest, now) for raw, digest in zip(raws, digests, strict=True)]
        first = raws[0].listed.location
        with effect(Effect.KEEP_ROW), self.database.write() as db:
            lay_there = self._lay_there(db, first)
            for value in values:
                value["first_sync"] = lay_there(value["uid"], value["received_at"])
            db.execute(self._insert(mail).on_conflict_do_nothing(index_elements=_LOCATION), values)
            if cursor is not None:
                self._move_cursor(db, first.mailbox, first.folder, cursor, now)
            rows = _at(db, [raw.listed.location for raw in raws])
            if way and (new := [row.id for row in rows if row.kept_at == now]):
                db.execute(STEP, [{"mail_id": mail_id, "at": now, "line": way} for mail_id in new])
            return rows

    def keep_unfetched(
        self,
        listed: Listed,
        reason: str,
        *,
        cursor: Cursor,
        state: State = State.ASIDE,
        next_try_at: float = 0.0,
    ) -> MailRow:
        """Given a mail that the server does not hand out, note it without its bytes, and go on behind it.

        It is set aside; or KEPT, and fetched anew from that time on (seconds since the epoch). Return its row.
        """
        now = self.clock()
        values = _new_row(RawMail(listed), None, now) | {"state": state, "reason": reason, "next_try_at": next_try_at}
        place = listed.location
        with effect(Effect.KEEP_ROW), self.database.write() as db:
            values["first_sync"] = self._lay_there(db, place)(place.uid, values["received_at"])
            db.execute(self._insert(mail).on_conflict_do_nothing(index_elements=_LOCATION), values)
            self._move_cursor(db, place.mailbox, place.folder, cursor, now)
            (row,) = _at(db, [place])
            write_steps(db, row.id, (f"not fetched: {reason}",), now)
        return row

    # ------------------------------------------------------------------ work

    def due(self, mailbox: str, *, limit: int = 200) -> list[MailRow]:
        """The open mails of a mailbox whose time has come, oldest first."""
        now = self.clock()
        query = sa.select(*COLUMNS).where(
            mail.c.mailbox == mailbox,
            mail.c.state.in_([State.KEPT, State.WRITING]),
            mail_is_due(now),
        )
        with self.database.read() as db:
            return [as_row(row) for row in db.execute(query.order_by(mail.c.id).limit(limit))]

    def intend(self, mail_id: int, request: str, lines: Sequence[str] = ()) -> float:
        """Before a request that writes is sent: note that it will be, whole. Return the time noted.

        The first time is kept beside the last: the look goes back to the first.
        """
        now = self.clock()
        values = {"state": State.WRITING, "request": request, "last_sent_at": now, "now": now}
        with effect(Effect.RECORD_INTENT), self.database.write() as db:
            self._change(db, mail_id, (State.KEPT, State.WRITING), values, lines, change=_INTEND)
        return now

    def rewrite(self, mail_id: int, request: str) -> None:
        """Put another text of the intent in the place of the one that is noted: what was sent is the same."""
        with effect(Effect.RECORD_INTENT), self.database.write() as db:
            self._change(db, mail_id, (State.WRITING,), {"request": request}, ())

    def wrote(
        self, mail_id: int, request: str, *, issue: int, created: bool, number_again: bool, journal: int | None,
        lines: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """What a mail's request has made is there and claimed; `request` is the intent of what is written after it."""
        made = {"issue": issue, "created_issue": issue if created else None, "journal": journal}
        with effect(Effect.RECORD_INTENT), self.database.write() as db:
            self._free(db, made, number_again=number_again)
            self._change(db, mail_id, (State.WRITING,), {"request": request, **made}, lines)

    def withdraw(self, mail_id: int, lines: Sequence[str] = ()) -> None:
        """It is known that nothing was written: the intent is forgotten, and the mail is as if it came now."""
        values = {"state": State.KEPT, "request": None, "first_sent_at": None, "last_sent_at": None}
        with effect(Effect.RECORD_INTENT), self.database.write() as db:
            self._change(db, mail_id, (State.WRITING,), values, lines)

    def done(
        self,
        mail_id: int,
        reason: str,
        *,
        issue: int | None = None,
        created: bool = False,
        number_again: bool = False,
        journal: int | None = None,
        participants: Iterable[str] = (),
        lines: Sequence[str] = (),
        answers: Sequence[NewAnswer] = (),
    ) -> None:
        """It is written (or there was nothing to write): note what was made, and who takes part now.

        `number_again`: what was made bears the number of another that is gone, whose mail claims it no more.
        """
        made = {"issue": issue, "created_issue": issue if created else None, "journal": journal}
        values = {"state": State.DONE, "reason": reason, **made}
        with effect(Effect.RECORD_DONE), self.database.write() as db:
            self._free(db, made, number_again=number_again)
            self._change(db, mail_id, (State.KEPT, State.WRITING), values, lines)
            if issue is not None:
                self._join(db, issue, participants)
            self._queue(db, mail_id, answers)

    def _free(self, db: sa.Connection, made: Mapping[str, int | None], *, number_again: bool) -> None:
        """Given what a mail has made, take it from mails that made what bore its number before. A note of another issue
        is always such a one.
        """
        if made["journal"] is not None:
            same = mail.c.journal == made["journal"]
            gone = same if number_again else sa.and_(same, mail.c.issue != made["issue"])
            db.execute(sa.update(mail).where(gone).values(journal=None))
        if number_again and made["created_issue"] is not None:
            gone = mail.c.created_issue == made["created_issue"]
            db.execute(sa.update(mail).where(gone).values(created_issue=None))

    def end(
        self,
        mail_id: int,
        state: State,
        reason: str,
        lines: Sequence[str] = (),
        answers: Sequence[NewAnswer] = (),
    ) -> None:
        """Refuse, hold or set aside. Raise StoreError when the mail's state does not allow it."""
        with effect(Effect.RECORD_DONE), self.database.write() as db:
            before = tuple(old for old, allowed in FOLLOWS.items() if state in allowed)
            self._change(db, mail_id, before, {"state": state, "reason": reason}, lines)
            self._queue(db, mail_id, answers)

    def _queue(self, db: sa.Connection, mail_id: int, answers: Sequence[NewAnswer]) -> None:
        now = self.clock()
        lines = [queue(db, self._insert(outbox), mail_id, answer, now)[1] for answer in answers]
        write_steps(db, mail_id, lines, now)

    def defer(self, mail_id: int, reason: str, *, after: float | None = None, counts: bool = True) -> float:
        """Try again later: after so many seconds, or after a pause that grows with the tries.

        With `counts` this was a try that failed for the mail's own sake; an outage does not count.
        Return the time of the next try.
        """
        now = self.clock()
        with effect(Effect.DEFER), self.database.write() as db:
            tries = int(db.execute(sa.select(mail.c.tries).where(mail.c.id == mail_id)).scalar() or 0) + counts
            at = now + (pause_after(tries) if after is None else after)
            values = {"tries": tries, "next_try_at": at, "reason": reason}
            self._change(db, mail_id, (State.KEPT, State.WRITING), values, (f"deferred: {reason}",))
        return at

    def hold_reply(self, mail_id: int, reason: str) -> float:
        """A reply waits for the update task, which lets it through. Return the time that stands for that: NEVER."""
        with effect(Effect.DEFER), self.database.write() as db:
            self._change(db, mail_id, (State.KEPT,), {"next_try_at": NEVER, "reason": reason}, (reason,))
        return NEVER

    def let_replies_through(self) -> dict[str, int]:
        """Have the replies that wait for the update task be due. Return how many, by mailbox."""
        waiting = sa.and_(mail.c.state == State.KEPT, mail.c.next_try_at == NEVER)
        with effect(Effect.DEFER), self.database.write() as db:
            rows = db.execute(sa.select(mail.c.mailbox, sa.func.count()).where(waiting).group_by(mail.c.mailbox)).all()
            if rows:
                db.execute(sa.update(mail).where(waiting).values(next_try_at=0.0, let_through=True))
        return {row[0]: int(row[1]) for row in rows}

    def retry(self, mail_id: int, *, accept: bool = False, wish: str | None = None, by: str = "an admin") -> bool:
        """An admin asks for another try of a refused, held or set-aside mail; with `accept` it is not held again.

        One whose bytes are not in the store is fetched anew first, from wherever it lies.
        With a `wish` (see routing/by_hand.py) it is decided as that says; so may a mail be that was ignored.
        Return whether there was one to try.
        """
        values: dict[str, Any] = {"tries": 0, "next_try_at": 0.0, "filed_at": None, "accepted": accept, "wish": wish}
        values["let_through"] = accept or wish is not None
        line = f"accepted by {by}" if accept else f"tried again on request of {by}"
        line = line if wish is None else f"wanted in Redmine by {by}"
        with effect(Effect.RECORD_STEP), self.database.write() as db:
            row = db.execute(sa.select(mail.c.state, mail.c.raw, mail.c.issue).where(mail.c.id == mail_id)).first()
            if row is None:
                return False
            if row.state == State.DONE and (wish is None or row.issue is not None):
                return False
            if row.state in OPEN:
                wanted = {"next_try_at": 0.0, "let_through": True} | ({"wish": wish} if wish is not None else {})
                db.execute(sa.update(mail).where(mail.c.id == mail_id).values(wanted))
                return True
            if row.raw is not None and not self.raw.path(row.raw).exists():
                db.execute(sa.update(mail).where(mail.c.id == mail_id).values(raw=None))  # it is fetched anew
            # a request that may have been sent is looked for again, never forgotten
            self._change(db, mail_id, (State(row.state),), values, (line,), change=_REOPEN)
            return True

    def reject(self, mail_id: int, *, by: str = "an admin") -> bool:
        """An admin refuses a held mail. Return whether it was one."""
        values = {"state": State.REFUSED, "reason": f"refused by {by}"}
        with effect(Effect.RECORD_STEP), self.database.write() as db:
            state = db.execute(sa.select(mail.c.state).where(mail.c.id == mail_id)).scalar()
            if state != State.HELD:
                return False
            self._change(db, mail_id, (State.HELD,), values, (f"refused by {by}",))
            return True

    def note(self, mail_id: int, *lines: str) -> None:
        """Add human lines to a mail's record."""
        with effect(Effect.RECORD_STEP), self.database.write() as db:
            write_steps(db, mail_id, lines, self.clock())

    # ------------------------------------------------------------------ helpers

    def _change(
        self,
        db: sa.Connection,
        mail_id: int,
        before: Sequence[State],
        values: dict[str, Any],
        lines: Sequence[str],
        *,
        change: sa.Update | None = None,
    ) -> None:
        """One conditional update that must change exactly one row."""
        now = self.clock()
        known = {"of": mail_id, "before": list(before), "changed_at": now}
        if db.execute(_CHANGE if change is None else change, known | values).rowcount != 1:
            raise StoreError(f"mail {mail_id} is not in state {' or '.join(before)} any more: another process has it")
        write_steps(db, mail_id, lines, now)

    def _join(self, db: sa.Connection, issue: int, addresses: Iterable[str]) -> None:
        rows = [{"issue": issue, "address": address.lower()} for address in sorted(set(addresses)) if address]
        if rows:
            db.execute(self._insert_new(participant), rows)


_LOCATION = ["mailbox", "folder", "validity", "uid"]

# Statements of every mail, made once: making one anew costs more than running it.
_CHANGE = SET.where(mail.c.state.in_(sa.bindparam("before", expanding=True)))
_INTEND = _CHANGE.values(first_sent_at=sa.func.coalesce(mail.c.first_sent_at, sa.bindparam("now", type_=sa.Double)))
_REOPEN = _CHANGE.values(state=sa.case((mail.c.last_sent_at.is_not(None), State.WRITING.value), else_=State.KEPT.value))


def _new_row(raw: RawMail, digest: str | None, now: float) -> dict[str, Any]:
    listed = raw.listed
    place = listed.location
    return {
        "mailbox": place.mailbox,
        "folder": place.folder,
        "validity": place.validity,
        "uid": place.uid,
        "size": listed.size,
        "raw": digest,
        "digest": digest,
        "truncated": raw.truncated,
        "first_sync": False,
        "received_at": listed.received_at.timestamp() if listed.received_at else None,
        "kept_at": now,
        "changed_at": now,
        "state": State.KEPT,
        "accepted": False,
        "let_through": False,
        "tries": 0,
        "next_try_at": 0.0,
        "file_tries": 0,
        "next_file_at": 0.0,
    }


def _at(db: sa.Connection, places: Sequence[Location]) -> list[MailRow]:
    """The rows at these locations, all of one folder and validity, in the same order."""
    first = places[0]
    query = sa.select(*COLUMNS).where(
        mail.c.mailbox == first.mailbox,
        mail.c.folder == first.folder,
        mail.c.validity == first.validity,
        mail.c.uid.in_([place.uid for place in places]),
    )
    rows = {row.uid: as_row(row) for row in db.execute(query)}
    return [rows[place.uid] for place in places]

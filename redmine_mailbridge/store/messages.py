"""The one class whose methods are the life of a mail (see model/mail_state.py for the picture).

Every method is one transaction; every change of state is a conditional update that must change exactly one row.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN, State, pause_after
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_missing
from redmine_mailbridge.store.due import NEVER, mail_is_due
from redmine_mailbridge.store.lock import Lock, is_held, take_lock
from redmine_mailbridge.store.mails.adding import Kept
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.mails.transitions import change_mail, move_mail
from redmine_mailbridge.store.outbox import NewAnswer, queue
from redmine_mailbridge.store.raw_files import RawStore
from redmine_mailbridge.store.tables import mail, participant


class Store(Kept):
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

    # ------------------------------------------------------------------ work

    def due(self, mailbox: str, *, limit: int = 200) -> list[MailRow]:
        """The open mails of a mailbox whose time has come, oldest first."""
        now = self.clock()
        query = sa.select(*COLUMNS).where(
            mail.c.mailbox == mailbox,
            mail.c.state.in_(OPEN),
            mail_is_due(now),
        )
        with self.database.read() as db:
            return [as_row(row) for row in db.execute(query.order_by(mail.c.id).limit(limit))]

    def intend(self, mail_id: int, request: str, lines: Sequence[str] = ()) -> float:
        """Before a request that writes is sent: note that it will be, whole. Return the time noted.

        The first time is kept beside the last: the look goes back to the first.
        """
        now = self.clock()
        sent = {"request": request, "last_sent_at": now, "sent": now}
        with effect(Effect.RECORD_INTENT), self.database.write() as db:
            move_mail(db, mail_id, State.WRITING, now, lines, among=OPEN, **sent)
        return now

    def rewrite(self, mail_id: int, request: str) -> None:
        """Put another text of the intent in the place of the one that is noted: what was sent is the same."""
        with effect(Effect.RECORD_INTENT), self.database.write() as db:
            change_mail(db, mail_id, (State.WRITING,), self.clock(), request=request)

    def wrote(
        self, mail_id: int, request: str, *, issue: int, created: bool, number_again: bool, journal: int | None,
        lines: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """What a mail's request has made is there and claimed; `request` is the intent of what is written after it."""
        made = {"issue": issue, "created_issue": issue if created else None, "journal": journal}
        with effect(Effect.RECORD_INTENT), self.database.write() as db:
            self._free(db, made, number_again=number_again)
            change_mail(db, mail_id, (State.WRITING,), self.clock(), lines, request=request, **made)

    def withdraw(self, mail_id: int, lines: Sequence[str] = ()) -> None:
        """It is known that nothing was written: the intent is forgotten, and the mail is as if it came now."""
        forgotten = {"request": None, "first_sent_at": None, "last_sent_at": None}
        with effect(Effect.RECORD_INTENT), self.database.write() as db:
            move_mail(db, mail_id, State.KEPT, self.clock(), lines, among=(State.WRITING,), **forgotten)

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
        made: dict[str, Any] = {"issue": issue, "created_issue": issue if created else None, "journal": journal}
        with effect(Effect.RECORD_DONE), self.database.write() as db:
            self._free(db, made, number_again=number_again)
            move_mail(db, mail_id, State.DONE, self.clock(), lines, reason=reason, **made)
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
            move_mail(db, mail_id, state, self.clock(), lines, reason=reason)
            self._queue(db, mail_id, answers)

    def _queue(self, db: sa.Connection, mail_id: int, answers: Sequence[NewAnswer]) -> None:
        now = self.clock()
        write_steps(db, mail_id, [queue(db, mail_id, answer, now)[1] for answer in answers], now)

    def defer(self, mail_id: int, reason: str, *, after: float | None = None, counts: bool = True) -> float:
        """Try again later: after so many seconds, or after a pause that grows with the tries.

        With `counts` this was a try that failed for the mail's own sake; an outage does not count.
        Return the time of the next try.
        """
        now = self.clock()
        with effect(Effect.DEFER), self.database.write() as db:
            tries = int(db.execute(sa.select(mail.c.tries).where(mail.c.id == mail_id)).scalar() or 0) + counts
            at = now + (pause_after(tries) if after is None else after)
            change_mail(db, mail_id, OPEN, now, (f"deferred: {reason}",), tries=tries, next_try_at=at, reason=reason)
        return at

    def hold_reply(self, mail_id: int, reason: str) -> float:
        """A reply waits for the update task, which lets it through. Return the time that stands for that: NEVER."""
        with effect(Effect.DEFER), self.database.write() as db:
            change_mail(db, mail_id, (State.KEPT,), self.clock(), (reason,), next_try_at=NEVER, reason=reason)
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
        With a `wish` (see policy/manual.py) it is decided as that says; so may a mail be that was ignored.
        Return whether there was one to try.
        """
        values: dict[str, Any] = {"tries": 0, "next_try_at": 0.0, "filed_at": None, "accepted": accept, "wish": wish}
        values["let_through"] = accept or wish is not None
        line = f"accepted by {by}" if accept else f"tried again on request of {by}"
        line = line if wish is None else f"wanted in Redmine by {by}"
        with effect(Effect.RECORD_STEP), self.database.write() as db:
            columns = (mail.c.state, mail.c.raw, mail.c.issue, mail.c.last_sent_at)
            row = db.execute(sa.select(*columns).where(mail.c.id == mail_id)).first()
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
            to = State.KEPT if row.last_sent_at is None else State.WRITING
            move_mail(db, mail_id, to, self.clock(), (line,), among=(State(row.state),), **values)
            return True

    def reject(self, mail_id: int, *, by: str = "an admin") -> bool:
        """An admin refuses a held mail. Return whether it was one."""
        reason = f"refused by {by}"
        with effect(Effect.RECORD_STEP), self.database.write() as db:
            state = db.execute(sa.select(mail.c.state).where(mail.c.id == mail_id)).scalar()
            if state != State.HELD:
                return False
            move_mail(db, mail_id, State.REFUSED, self.clock(), (reason,), among=(State.HELD,), reason=reason)
            return True

    # ------------------------------------------------------------------ helpers

    def _join(self, db: sa.Connection, issue: int, addresses: Iterable[str]) -> None:
        rows = [{"issue": issue, "address": address.lower()} for address in sorted(set(addresses)) if address]
        insert_missing(db, participant, rows)

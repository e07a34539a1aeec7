"""The class whose methods are the life cycle of a message (see the diagram in model/mail_state.py).

Every method is one transaction; every change of state is a conditional update that must change exactly one row.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN, State, pause_after
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import BUSY_SECONDS, LEASE_SECONDS, Database
from redmine_mailbridge.store.dialects import insert_missing
from redmine_mailbridge.store.due import NEVER, mail_is_due
from redmine_mailbridge.store.lock import Lock, is_held, take_lock
from redmine_mailbridge.store.mails.adding import MailAdder
from redmine_mailbridge.store.mails.manual_changes import ManualChanges
from redmine_mailbridge.store.mails.requesters import Requesters
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.mails.transitions import change_mail, move_mail
from redmine_mailbridge.store.notices import NewNotice, notify
from redmine_mailbridge.store.outgoing.adding import NewAnswer, queue
from redmine_mailbridge.store.raw_mails.folder import RawFolder
from redmine_mailbridge.store.raw_mails.raw_store import RawStore
from redmine_mailbridge.store.tables import mail, participant


class Store(MailAdder):
    """Stores messages: their rows in the database, their bytes there or in a folder. Thread-safe.

    Every method raises StoreBusy, StoreFull or StoreError if the database or the disk fails.
    """

    def __init__(self, database: Database, raw: RawStore, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(database, clock)
        self.raw = raw
        self.manual_changes = ManualChanges(database, clock)
        self.requesters = Requesters(database, clock)

    @classmethod
    def open(
        cls,
        url: str,
        raw_dir: Path | None,
        *,
        raw_in_database: bool = False,
        clock: Callable[[], float] = time.time,
        lease_seconds: float = LEASE_SECONDS,
        busy_seconds: float = BUSY_SECONDS,
    ) -> Self:
        """Given a database URL, the folder for raw messages and temporary files, and whether the raw messages are in
        the database, return the store, with its tables migrated. Without a folder they are. `lease_seconds` is for
        PostgreSQL; for `busy_seconds` SQLite waits for another writer.
        """
        database = Database(url, lease_seconds=lease_seconds, busy_seconds=busy_seconds)
        try:
            database.migrate()
        except BaseException:
            database.close()
            raise
        folder = RawFolder(raw_dir) if raw_dir is not None else None
        return cls(database, RawStore(database, folder, in_database=raw_in_database, clock=clock), clock=clock)

    def close(self) -> None:
        """Close the connections."""
        self.database.close()

    def lock(self, name: str, *, wait: float = 0.0) -> Lock:
        """Acquire the lock of this name for this process. Raise AlreadyRunning if another process holds it."""
        return take_lock(self.database, name, wait=wait)

    def is_locked(self, name: str) -> bool:
        """Does any process hold the lock of this name?"""
        return is_held(self.database, name)

    # ------------------------------------------------------------------ work

    def due(self, mailbox: str, *, limit: int = 200) -> list[StoredMail]:
        """The open messages of a mailbox that are due, oldest first."""
        now = self.clock()
        query = sa.select(*COLUMNS).where(
            mail.c.mailbox == mailbox,
            mail.c.state.in_(OPEN),
            mail_is_due(now),
        )
        with self.database.read() as db:
            return [as_row(row) for row in db.execute(query.order_by(mail.c.id).limit(limit))]

    def record_intent(
        self, mail_id: int, request: str, lines: Sequence[str] = (), *, requester: str | None = None
    ) -> float:
        """Before a write request is sent: store its complete intent, and the requester's address if that is not the
        sender. Return the stored time.

        The first time is kept beside the last: recovery searches back to the first.
        """
        now = self.clock()
        sent = {"request": request, "last_sent_at": now, "sent": now, "requester": requester}
        with side_effect(SideEffect.RECORD_INTENT), self.database.write() as db:
            move_mail(db, mail_id, State.WRITE_PENDING, now, lines, among=OPEN, **sent)
        return now

    def rewrite(self, mail_id: int, request: str) -> None:
        """Replace the text of the stored intent: the request that was sent is unchanged."""
        with side_effect(SideEffect.RECORD_INTENT), self.database.write() as db:
            change_mail(db, mail_id, (State.WRITE_PENDING,), self.clock(), request=request)

    def wrote(
        self, mail_id: int, request: str, *, issue: int, created: bool, number_again: bool, journal: int | None,
        lines: Sequence[str] = (),
    ) -> None:  # fmt: skip
        """The object created by a message's request is found and claimed; `request` is the intent of the next write."""
        made = {"issue": issue, "created_issue": issue if created else None, "journal": journal}
        with side_effect(SideEffect.RECORD_INTENT), self.database.write() as db:
            self._free(db, made, number_again=number_again)
            change_mail(db, mail_id, (State.WRITE_PENDING,), self.clock(), lines, request=request, **made)

    def withdraw(self, mail_id: int, lines: Sequence[str] = ()) -> None:
        """Nothing was written for certain: the intent is deleted, and the message is as if it had just arrived."""
        forgotten = {"request": None, "first_sent_at": None, "last_sent_at": None}
        with side_effect(SideEffect.RECORD_INTENT), self.database.write() as db:
            move_mail(db, mail_id, State.STORED, self.clock(), lines, among=(State.WRITE_PENDING,), **forgotten)

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
        notices: Mapping[int, NewNotice] = MappingProxyType({}),
        to_requester: bool = False,
        third_party: bool = False,
    ) -> None:
        """The write is complete (or there was nothing to write): store what was created, and the current participants.

        `number_again`: the number was used before by an object that is gone, whose message no longer claims it.
        `notices`: what the agents of other issues are notified of, by issue. `to_requester`: the note is sent to the
        requester, as if it had been written in Redmine. `third_party`: it is from a third party of the issue.
        """
        made: dict[str, Any] = {"issue": issue, "created_issue": issue if created else None, "journal": journal}
        made |= {"to_requester": to_requester, "third_party": third_party}
        with side_effect(SideEffect.RECORD_DONE), self.database.write() as db:
            self._free(db, made, number_again=number_again)
            move_mail(db, mail_id, State.DONE, self.clock(), lines, reason=reason, **made)
            if issue is not None:
                self._join(db, issue, participants)
            for other, notice in notices.items():
                notify(db, other, mail_id, [notice], self.clock())
            self._queue(db, mail_id, answers)

    def _free(self, db: sa.Connection, made: Mapping[str, int | None], *, number_again: bool) -> None:
        """Given what a message has created, remove the claim of messages that created a former object with its number.
        A note of another issue is always such an object.
        """
        if made["journal"] is not None:
            same = mail.c.journal == made["journal"]
            gone = same if number_again else sa.and_(same, mail.c.issue != made["issue"])
            db.execute(sa.update(mail).where(gone).values(journal=None))
        if number_again and made["created_issue"] is not None:
            gone = mail.c.created_issue == made["created_issue"]
            db.execute(sa.update(mail).where(gone).values(created_issue=None))

    def finish(
        self,
        mail_id: int,
        state: State,
        reason: str,
        lines: Sequence[str] = (),
        answers: Sequence[NewAnswer] = (),
        *,
        junk: bool = False,
    ) -> None:
        """Reject (`junk`: as spam), hold or fail. Raise StoreError if the message's state does not allow it."""
        with side_effect(SideEffect.RECORD_DONE), self.database.write() as db:
            move_mail(db, mail_id, state, self.clock(), lines, reason=reason, junk=junk)
            self._queue(db, mail_id, answers)

    def _queue(self, db: sa.Connection, mail_id: int, answers: Sequence[NewAnswer]) -> None:
        now = self.clock()
        write_steps(db, mail_id, [queue(db, mail_id, answer, now)[1] for answer in answers], now)

    def defer(self, mail_id: int, reason: str, *, after: float | None = None, counts: bool = True) -> float:
        """Retry later: after the given seconds, or after a pause that grows with the tries.

        With `counts` this try failed because of the message itself; an outage does not count.
        Return the time of the next try.
        """
        now = self.clock()
        with side_effect(SideEffect.DEFER), self.database.write() as db:
            tries = int(db.execute(sa.select(mail.c.tries).where(mail.c.id == mail_id)).scalar() or 0) + counts
            at = now + (pause_after(tries) if after is None else after)
            change_mail(db, mail_id, OPEN, now, (f"deferred: {reason}",), tries=tries, next_try_at=at, reason=reason)
        return at

    def hold_reply(self, mail_id: int, reason: str) -> float:
        """A reply waits for the update task, which releases it. Return the time that represents this: NEVER."""
        with side_effect(SideEffect.DEFER), self.database.write() as db:
            change_mail(db, mail_id, (State.STORED,), self.clock(), (reason,), next_try_at=NEVER, reason=reason)
        return NEVER

    def release_replies(self) -> dict[str, int]:
        """Make the replies that wait for the update task due. Return how many, by mailbox."""
        waiting = sa.and_(mail.c.state == State.STORED, mail.c.next_try_at == NEVER)
        with side_effect(SideEffect.DEFER), self.database.write() as db:
            rows = db.execute(sa.select(mail.c.mailbox, sa.func.count()).where(waiting).group_by(mail.c.mailbox)).all()
            if rows:
                db.execute(sa.update(mail).where(waiting).values(next_try_at=0.0, released=True))
        return {row[0]: int(row[1]) for row in rows}

    def retry(
        self, mail_id: int, *, accept: bool = False, manual_decision: str | None = None, by: str = "an admin"
    ) -> bool:
        """An admin retries a rejected, held or failed message; with `accept` it is not held again.

        If its bytes are not in the store, or damaged there, it is fetched again first, from its current location.
        With a `manual_decision` (see policy/manual.py) that decides; this also applies to ignored messages.
        Return whether there was a message to retry.
        """
        values: dict[str, Any] = {
            "tries": 0,
            "next_try_at": 0.0,
            "filed_at": None,
            "junk": False,
            "accepted": accept,
            "manual_decision": manual_decision,
        }
        values["released"] = accept or manual_decision is not None
        line = f"accepted by {by}" if accept else f"retried by {by}"
        line = line if manual_decision is None else f"accepted into Redmine by {by}"
        with side_effect(SideEffect.RECORD_STEP), self.database.write() as db:
            if manual_decision is not None:
                self.manual_changes.one_at_a_time(db)
            row = db.execute(sa.select(mail).where(mail.c.id == mail_id)).first()
            if row is None:
                return False
            if row.state == State.DONE and (manual_decision is None or row.issue is not None):
                return False
            if row.state == State.WRITE_PENDING and manual_decision is not None:
                return False  # what is on its way is what was decided before
            if manual_decision is not None:
                self.manual_changes.record(db, row, by)
            if row.state in OPEN:
                accepted = {"next_try_at": 0.0, "released": True} | (
                    {"manual_decision": manual_decision} if manual_decision is not None else {}
                )
                db.execute(sa.update(mail).where(mail.c.id == mail_id).values(accepted))
                return True
            if row.raw is not None and not self.raw.whole(row.raw):
                db.execute(sa.update(mail).where(mail.c.id == mail_id).values(raw=None))  # it is fetched again
            # the result of a request that may have been sent is verified, never discarded
            to = State.STORED if row.last_sent_at is None else State.WRITE_PENDING
            move_mail(db, mail_id, to, self.clock(), (line,), among=(State(row.state),), **values)
            return True

    def reject(self, mail_id: int, *, by: str = "an admin") -> bool:
        """An admin rejects a held message. Return whether it was one."""
        reason = f"refused by {by}"
        with side_effect(SideEffect.RECORD_STEP), self.database.write() as db:
            state = db.execute(sa.select(mail.c.state).where(mail.c.id == mail_id)).scalar()
            if state != State.HELD:
                return False
            move_mail(db, mail_id, State.REJECTED, self.clock(), (reason,), among=(State.HELD,), reason=reason)
            return True

    # ------------------------------------------------------------------ helpers

    def _join(self, db: sa.Connection, issue: int, addresses: Iterable[str]) -> None:
        rows = [{"issue": issue, "address": address.lower()} for address in sorted(set(addresses)) if address]
        insert_missing(db, participant, rows)

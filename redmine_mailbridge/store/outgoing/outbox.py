"""Outgoing messages: queued in the transaction that closes the message they answer, or that decides about a note; sent
from here, remembered.

One row is one message to one recipient; a message to several has a row for each, with the same Message-ID, and its
bytes once. A row is claimed by a conditional update before it is sent, with its next try in the future, so that after
a crash during sending it is sent again under the same Message-ID: twice at most where SMTP itself cannot tell.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.due import pause_is_over, within
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.outgoing.adding import NewAnswer, queue
from redmine_mailbridge.store.outgoing.rows import (
    BOUNCED,
    CAUSED_BY_PEOPLE,
    DISCARDED,
    FAILED,
    HEADS,
    QUEUED,
    ROWS,
    SENT,
    QueuedMail,
)
from redmine_mailbridge.store.tables import issue, outbox

CLAIM_SECONDS = 300.0


class Outbox:
    """The queue of outgoing messages. Safe for concurrent threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self.clock = clock

    def claim(self, mailbox: str, *, limit: int, first: Collection[str] = ()) -> list[QueuedMail]:
        """Claim due messages of a mailbox: no other process gets them for five minutes.

        In fair order: kinds in `first` before all others; then one per issue (or answered message)
        in turn, its oldest first.
        """
        now = self.clock()
        due = sa.and_(outbox.c.mailbox == mailbox, outbox.c.state == QUEUED, pause_is_over(outbox.c.next_try_at, now))
        whose = sa.func.coalesce(outbox.c.issue, -outbox.c.mail_id, 0)
        late = sa.case((outbox.c.kind.in_(first), 0), else_=1).label("late")
        turn = sa.func.row_number().over(partition_by=[late, whose], order_by=outbox.c.id).label("turn")
        order = sa.select(outbox.c.id, late, turn).where(due).subquery()
        query = ROWS.join(order, order.c.id == outbox.c.id).order_by(order.c.late, order.c.turn, outbox.c.id)
        claimed = []
        with side_effect(SideEffect.RECORD_INTENT), self._database.write() as db:
            for row in db.execute(query.limit(limit)).all():
                mine = sa.update(outbox).where(outbox.c.id == row.id, outbox.c.next_try_at == row.next_try_at)
                if db.execute(mine.values(next_try_at=now + CLAIM_SECONDS)).rowcount == 1:
                    claimed.append(QueuedMail(**row._mapping))
        return claimed

    def queue(self, mails: Sequence[NewAnswer], *, mail_id: int | None = None) -> list[tuple[bool, str]]:
        """Queue messages that answer no message, all or none. Return for each whether it is queued, and its line.

        The lines are added to the history of `mail_id`, each once.
        """
        now = self.clock()
        with side_effect(SideEffect.QUEUE_MAIL), self._database.write() as db:
            outcomes = [queue(db, mail_id, mail, now) for mail in mails]
            write_steps(db, mail_id, [line for _, line in outcomes if not line.startswith("queued before")], now)
        return outcomes

    def is_queued(self, mail: QueuedMail) -> bool:
        """Is it still to be sent? An admin may have discarded it since it was claimed."""
        with self._database.read() as db:
            return db.execute(sa.select(outbox.c.state).where(outbox.c.id == mail.id)).scalar() == QUEUED

    def sent(self, mail: QueuedMail, words: str, *, copy_due: bool = False, report_due: bool = False) -> None:
        """The server accepted it; `copy_due`: it gets a copy in the mailbox's Sent folder (`sent_copies.py`);
        `report_due`: its issue is updated (`answers.py`).
        """
        values = {"state": SENT, "sent_at": self.clock(), "reason": words, "tries": mail.tries + 1}
        values |= {"copy_due": copy_due, "report_due": report_due}
        self._change(mail, values, f"sent: {mail.kind} to {mail.recipient}: {words}")

    def failed(self, mail: QueuedMail, words: str, *, offered: bool = False) -> None:
        """The server permanently rejected it, for which it was `offered`, or it must not be sent. One that was
        discarded meanwhile stays so.
        """
        values: dict[str, Any] = {"state": FAILED, "reason": words, "tries": mail.tries + 1}
        if offered and mail.offered_at is None:
            values["offered_at"] = self.clock()
        self._change(mail, values, f"not sent: {mail.kind} to {mail.recipient}: {words}", only=QUEUED)

    def later(
        self,
        mail: QueuedMail,
        words: str | None,
        *,
        counts: bool = True,
        offered: bool = False,
        after: float = 60.0,
        at_least: float = 0.0,
    ) -> None:
        """Retry after a growing pause; or, not `counts`, when its turn comes (over a limit), after the given seconds.

        `offered`: it was offered to the server, which may request a pause of `at_least` so many seconds.
        """
        tries = mail.tries + counts
        pause = max(pause_after(tries) if counts else after, at_least)
        values: dict[str, Any] = {"tries": tries, "next_try_at": self.clock() + pause, "reason": words}
        if offered and mail.offered_at is None:
            values["offered_at"] = self.clock()
        self._change(mail, values, only=QUEUED)

    def retry(self, ids: Collection[int], *, by: str) -> list[QueuedMail]:
        """Retry messages that were refused or given up, counting tries from 0. Return those that are queued again: they
        failed, and their bytes still exist.
        """
        now = self.clock()
        to_retry = sa.and_(outbox.c.state == FAILED, outbox.c.id.in_(ids), outbox.c.content_hash.is_not(None))
        again = {"state": QUEUED, "tries": 0, "next_try_at": 0.0, "offered_at": None, "reported": False}
        with side_effect(SideEffect.RECORD_SENT), self._database.write() as db:
            rows = [QueuedMail(**row._mapping) for row in db.execute(ROWS.where(to_retry).order_by(outbox.c.id))]
            db.execute(sa.update(outbox).where(outbox.c.id.in_([row.id for row in rows]), to_retry).values(again))
            for row in rows:
                write_steps(db, row.mail_id, [f"retried by {by}: {row.kind} to {row.recipient}"], now)
        return rows

    def discard(self, ids: Collection[int], *, by: str) -> list[QueuedMail]:
        """Given queued, failed or bounced mails, discard them: they are not sent, and their failure is not reported any
        more. Return those that were discarded.
        """
        now = self.clock()
        to_discard = sa.and_(outbox.c.id.in_(ids), outbox.c.state.in_([QUEUED, FAILED, BOUNCED]))
        with side_effect(SideEffect.RECORD_SENT), self._database.write() as db:
            rows = [QueuedMail(**row._mapping) for row in db.execute(ROWS.where(to_discard).order_by(outbox.c.id))]
            kept = sa.update(outbox).where(outbox.c.id.in_([row.id for row in rows]), to_discard)
            db.execute(kept.values({"state": DISCARDED, "reported": True}))
            for row in rows:
                write_steps(db, row.mail_id, [f"discarded on request of {by}: {row.kind} to {row.recipient}"], now)
        return rows

    def may_move(self, mail: QueuedMail) -> bool:
        """May it change the status of its issue that a mail is not delivered (`issue.bounce_status`)? A person caused
        it, and it went to the requester, as far as the issue has been read.
        """
        query = sa.select(issue.c.requester).where(issue.c.id == mail.issue)
        with self._database.read() as db:
            requester = db.execute(query).scalar()
        return mail.kind in CAUSED_BY_PEOPLE and (requester is None or mail.recipient in spellings(requester))

    def bounced(self, mail: QueuedMail, words: str, *, reported: bool = False) -> None:
        """A delivery report says that delivery failed permanently; `reported`: the note is already on the issue."""
        line = f"bounced: {mail.kind} to {mail.recipient}: {words}"
        self._change(mail, {"state": BOUNCED, "reason": words, "reported": reported}, line)

    def unreported(self, *, limit: int = 100) -> list[QueuedMail]:
        """The undelivered messages about issues without a note about it; one per issue in turn, so that an issue
        that cannot get its note does not delay the others.
        """
        query = ROWS.where(
            outbox.c.state.in_([FAILED, BOUNCED]), outbox.c.reported.is_(False), outbox.c.issue.is_not(None)
        )
        turn = sa.func.row_number().over(partition_by=outbox.c.issue, order_by=outbox.c.id)
        with self._database.read() as db:
            return [QueuedMail(**row._mapping) for row in db.execute(query.order_by(turn, outbox.c.id).limit(limit))]

    def mark_reported(self, mail: QueuedMail, line: str | None = None) -> None:
        """The issue has a note that this was not delivered (or cannot get one)."""
        self._change(mail, {"reported": True}, line)

    def _change(
        self, mail: QueuedMail, values: dict[str, Any], line: str | None = None, *, only: str | None = None
    ) -> None:
        """Change a row, `only` in this state, and add the line to its history if it was changed."""
        now, row = self.clock(), outbox.c.id == mail.id
        with side_effect(SideEffect.RECORD_SENT), self._database.write() as db:
            condition = row if only is None else sa.and_(row, outbox.c.state == only)
            changed = db.execute(sa.update(outbox).where(condition).values(values)).rowcount
            if line is not None and changed:
                write_steps(db, mail.mail_id, [line], now)

    def message_ids(self, issue: int, kind: str) -> list[str]:
        """Given an issue and a kind of mail, return the Message-IDs of those in the outbox, each once."""
        query = sa.select(outbox.c.message_id).where(outbox.c.issue == issue, outbox.c.kind == kind).distinct()
        with self._database.read() as db:
            return list(db.execute(query).scalars())

    def copies(self, message_ids: Collection[str]) -> list[QueuedMail]:
        """Given Message-IDs, return the rows of the messages that have them."""
        query = ROWS.where(outbox.c.message_id.in_(message_ids)).order_by(outbox.c.id)
        with self._database.read() as db:
            return [QueuedMail(**row._mapping) for row in db.execute(query)]

    def listed(
        self,
        *,
        states: Collection[str] = (QUEUED,),
        limit: int = 200,
        ids: Collection[int] | None = None,
        whole: bool = True,
    ) -> list[QueuedMail]:
        """The messages in these states, with these ids if given, the first due first; not `whole`: of each the first
        HEADER_BYTES.
        """
        query = (ROWS if whole else HEADS).where(outbox.c.state.in_(states)).order_by(outbox.c.next_try_at, outbox.c.id)
        if ids is not None:
            query = query.where(outbox.c.id.in_(ids))
        with self._database.read() as db:
            return [QueuedMail(**row._mapping) for row in db.execute(query.limit(limit))]

    def newest(
        self, *, states: Collection[str], mailbox: str | None = None, before: int | None = None, limit: int = 50
    ) -> list[QueuedMail]:
        """The mails in these states, of one mailbox or of all, newest first; `before` continues after a page. Of each
        the first HEADER_BYTES.
        """
        query = HEADS.where(outbox.c.state.in_(states)).order_by(outbox.c.id.desc())
        if mailbox is not None:
            query = query.where(outbox.c.mailbox == mailbox)
        if before is not None:
            query = query.where(outbox.c.id < before)
        with self._database.read() as db:
            return [QueuedMail(**row._mapping) for row in db.execute(query.limit(limit))]

    def counts(self) -> dict[str, int]:
        """How many mails are in each state; a state that none is in is left out."""
        query = sa.select(outbox.c.state, sa.func.count()).group_by(outbox.c.state)
        with self._database.read() as db:
            return {str(state): count for state, count in db.execute(query)}

    def sent_since(self, mailboxes: Sequence[str], seconds: float, *, but: Collection[str] = ()) -> int:
        """How many messages of these mailboxes, of other kinds than these, were sent within the last given seconds. A
        message to several recipients counts once for each, as mail providers count.
        """
        theirs = sa.and_(outbox.c.mailbox.in_(mailboxes), within(outbox.c.sent_at, self.clock(), seconds))
        query = sa.select(sa.func.count()).select_from(outbox).where(theirs)
        with self._database.read() as db:
            return int(db.execute(query.where(outbox.c.kind.not_in(but))).scalar() or 0)

    def of_mail(self, mail_id: int) -> list[QueuedMail]:
        """The answers to one message."""
        with self._database.read() as db:
            rows = db.execute(ROWS.where(outbox.c.mail_id == mail_id).order_by(outbox.c.id))
            return [QueuedMail(**row._mapping) for row in rows]

    def waiting(self) -> dict[str, int]:
        """How many messages wait to be sent, by mailbox: those with any."""
        query = sa.select(outbox.c.mailbox, sa.func.count()).where(outbox.c.state == QUEUED)
        with self._database.read() as db:
            return {row[0]: row[1] for row in db.execute(query.group_by(outbox.c.mailbox))}

"""The mails that go out: queued in the transaction that ends the mail they answer, or that decides about a note; sent
from here, remembered.

One row is one mail to one person; a mail to several has a row for each, with the same Message-ID, and its bytes once.
A row is claimed by a conditional update before it is sent, with its next try in the future, so that a crash in
mid-sending sends it again later under the same Message-ID: twice at most where SMTP itself cannot tell.

    queued ──▶ sent ──▶ bounced (a delivery report says that it did not arrive)
       ▲ └───▶ failed (the server refused it for good, or put it off for days)
       └─────────┘ tried again by an admin
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_missing
from redmine_mailbridge.store.due import pause_is_over, within
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.tables import outbox, outgoing_content

QUEUED, SENT, FAILED, BOUNCED = "queued", "sent", "failed", "bounced"
CLAIM_SECONDS = 300.0
Count = Callable[[str, float], int]


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """A mail to send. `why_not`, given what counts mails like it, says why it must not be queued; None: queue it.

    `among` are the kinds of mail that count for that, all when it is None. `person` is the address (lower case) that it
    counts for: the recipient's without what stands behind "+" (RFC 5233), of which there are as many as anybody likes;
    "": the recipient as it is.
    """

    mailbox: str
    kind: str
    sender: str
    recipient: str
    message_id: str
    content: bytes
    why_not: Callable[[Count], str | None]
    issue: int | None = None
    among: frozenset[str] | None = None
    person: str = ""


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """A row of the outbox that is to be sent, or was. Times in seconds since the epoch, UTC.

    `mail_id` is the mail whose record tells of it: the one that it answers, or that made its issue; None for a mail
    to the admin. `content` is empty once it is forgotten. `offered_at`: when the server was first asked to take it.
    `told`: that it did not arrive stands on its issue.
    """

    id: int
    mail_id: int | None
    mailbox: str
    kind: str
    sender: str
    recipient: str
    issue: int | None
    message_id: str
    content: bytes
    state: str
    tries: int
    next_try_at: float
    created_at: float
    sent_at: float | None
    reason: str | None
    told: bool = False
    offered_at: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The object that `queue --json` prints: all but the mail itself."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "content"}


_COLUMNS = (
    *(outbox.c[one.name] for one in fields(QueuedMail) if one.name != "content"),
    sa.func.coalesce(outgoing_content.c.content, b"").label("content"),
)
_ROWS = sa.select(*_COLUMNS).outerjoin(outgoing_content, outgoing_content.c.hash == outbox.c.content_hash)


def queue(db: sa.Connection, mail_id: int | None, answer: NewAnswer, now: float) -> tuple[bool, str]:
    """Given an open transaction and a mail, queue it, unless it is too much. Return whether it stands in the outbox
    now, and the line for the record. A mail that stands there already stays as it is.
    """
    known = sa.select(outbox.c.id).where(
        outbox.c.message_id == answer.message_id, outbox.c.recipient == answer.recipient.lower()
    )
    line = f"{answer.kind} to {answer.recipient}"
    if db.execute(known).first() is not None:
        return True, f"queued before: {line}"
    why_not = answer.why_not(_counter(db, answer, now))
    if why_not is not None:
        return False, f"{why_not} ({line})"
    values = {
        "mail_id": mail_id,
        "mailbox": answer.mailbox,
        "kind": answer.kind,
        "sender": answer.sender,
        "recipient": answer.recipient.lower(),
        "issue": answer.issue,
        "message_id": answer.message_id,
        "content_hash": hashlib.sha256(answer.content).hexdigest(),
        "state": QUEUED,
        "tries": 0,
        "next_try_at": 0.0,
        "created_at": now,
    }
    body = {"hash": values["content_hash"], "content": answer.content}
    insert_missing(db, outgoing_content, body)
    insert_missing(db, outbox, values)
    return True, f"queued: {line}"


def _counter(db: sa.Connection, answer: NewAnswer, now: float) -> Count:
    """Counts mails, not people: the copies of one mail are one."""

    def count(by: str, seconds: float) -> int:
        conditions: list[sa.ColumnElement[bool]] = [
            within(outbox.c.created_at, now, seconds),
            outbox.c.message_id != answer.message_id,
        ]
        if answer.among is not None:
            conditions.append(outbox.c.kind.in_(answer.among))
        if by == "issue":
            if answer.issue is None:
                return 0
            conditions.append(outbox.c.issue == answer.issue)
        else:
            conditions.append(_of_person(answer))
        if by == "refusal":
            conditions.append(outbox.c.kind == answer.kind)
        many = sa.select(sa.func.count(outbox.c.message_id.distinct())).where(*conditions)
        return int(db.execute(many).scalar() or 0)

    return count


def _of_person(answer: NewAnswer) -> sa.ColumnElement[bool]:
    """The mails to the person whom a mail is for, under whichever of the person's subaddresses."""
    address = answer.person or answer.recipient.lower()
    local, at, domain = address.rpartition("@")
    if not (answer.person and at):
        return outbox.c.recipient == address
    tagged = outbox.c.recipient.startswith(f"{local}+", autoescape=True)
    return sa.or_(
        outbox.c.recipient == address, sa.and_(tagged, outbox.c.recipient.endswith(f"@{domain}", autoescape=True))
    )


class Outbox:
    """The queue of mails to send. Safe for many threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self.clock = clock

    def claim(self, mailbox: str, *, limit: int, first: Collection[str] = ()) -> list[QueuedMail]:
        """Claim mails of a mailbox whose time has come: nobody else gets them for five minutes.

        In fair order: those of the kinds `first` before all others; then one of each issue (or mail that is answered)
        in turn, the oldest of it first.
        """
        now = self.clock()
        due = sa.and_(outbox.c.mailbox == mailbox, outbox.c.state == QUEUED, pause_is_over(outbox.c.next_try_at, now))
        whose = sa.func.coalesce(outbox.c.issue, -outbox.c.mail_id, 0)
        late = sa.case((outbox.c.kind.in_(first), 0), else_=1).label("late")
        turn = sa.func.row_number().over(partition_by=[late, whose], order_by=outbox.c.id).label("turn")
        order = sa.select(outbox.c.id, late, turn).where(due).subquery()
        query = _ROWS.join(order, order.c.id == outbox.c.id).order_by(order.c.late, order.c.turn, outbox.c.id)
        claimed = []
        with effect(Effect.RECORD_INTENT), self._database.write() as db:
            for row in db.execute(query.limit(limit)).all():
                mine = sa.update(outbox).where(outbox.c.id == row.id, outbox.c.next_try_at == row.next_try_at)
                if db.execute(mine.values(next_try_at=now + CLAIM_SECONDS)).rowcount == 1:
                    claimed.append(QueuedMail(**row._mapping))
        return claimed

    def queue(self, mails: Sequence[NewAnswer], *, mail_id: int | None = None) -> list[tuple[bool, str]]:
        """Queue mails that answer no mail, all or none. Return of each whether it stands there now, and its line.

        The lines go to the record of `mail_id`, each once.
        """
        now = self.clock()
        with effect(Effect.QUEUE_MAIL), self._database.write() as db:
            said = [queue(db, mail_id, one, now) for one in mails]
            write_steps(db, mail_id, [line for _, line in said if not line.startswith("queued before")], now)
        return said

    def sent(self, mail: QueuedMail, words: str) -> None:
        """It was handed over."""
        values = {"state": SENT, "sent_at": self.clock(), "reason": words, "tries": mail.tries + 1}
        self._change(mail, values, f"sent: {mail.kind} to {mail.recipient}: {words}")

    def failed(self, mail: QueuedMail, words: str) -> None:
        """The server refused it for good."""
        values = {"state": FAILED, "reason": words, "tries": mail.tries + 1}
        self._change(mail, values, f"not sent: {mail.kind} to {mail.recipient}: {words}")

    def later(
        self, mail: QueuedMail, words: str | None, *, counts: bool = True, offered: bool = False, after: float = 60.0
    ) -> None:
        """Try again after a growing pause; or, not `counts`, when its turn comes (over a limit), after so many seconds.

        `offered`: the server was asked to take it.
        """
        tries = mail.tries + counts
        pause = pause_after(tries) if counts else after
        values: dict[str, Any] = {"tries": tries, "next_try_at": self.clock() + pause, "reason": words}
        if offered and mail.offered_at is None:
            values["offered_at"] = self.clock()
        self._change(mail, values)

    def retry(self, ids: Collection[int], *, by: str) -> list[QueuedMail]:
        """Send mails again that were refused or given up, from their first try on. Return those that will be: they
        failed, and their bytes are still there.
        """
        now = self.clock()
        wanted = sa.and_(outbox.c.state == FAILED, outbox.c.id.in_(ids), outbox.c.content_hash.is_not(None))
        again = {"state": QUEUED, "tries": 0, "next_try_at": 0.0, "offered_at": None, "told": False}
        with effect(Effect.RECORD_SENT), self._database.write() as db:
            rows = [QueuedMail(**row._mapping) for row in db.execute(_ROWS.where(wanted).order_by(outbox.c.id))]
            db.execute(sa.update(outbox).where(outbox.c.id.in_([row.id for row in rows])).values(again))
            for row in rows:
                write_steps(db, row.mail_id, [f"sent again on request of {by}: {row.kind} to {row.recipient}"], now)
        return rows

    def bounced(self, mail: QueuedMail, words: str, *, told: bool = False) -> None:
        """A delivery report says for good that it did not arrive; `told`: it is a note on the issue already."""
        line = f"bounced: {mail.kind} to {mail.recipient}: {words}"
        self._change(mail, {"state": BOUNCED, "reason": words, "told": told}, line)

    def untold(self, *, limit: int = 100) -> list[QueuedMail]:
        """The mails about issues that did not arrive, and nobody was told; one of each issue in turn, so that an issue
        that nothing can be told on keeps no other waiting.
        """
        query = _ROWS.where(
            outbox.c.state.in_([FAILED, BOUNCED]), outbox.c.told.is_(False), outbox.c.issue.is_not(None)
        )
        turn = sa.func.row_number().over(partition_by=outbox.c.issue, order_by=outbox.c.id)
        with self._database.read() as db:
            return [QueuedMail(**row._mapping) for row in db.execute(query.order_by(turn, outbox.c.id).limit(limit))]

    def told(self, mail: QueuedMail, line: str | None = None) -> None:
        """It stands on the issue that this did not arrive (or it cannot)."""
        self._change(mail, {"told": True}, line)

    def _change(self, mail: QueuedMail, values: dict[str, Any], line: str | None = None) -> None:
        now = self.clock()
        with effect(Effect.RECORD_SENT), self._database.write() as db:
            db.execute(sa.update(outbox).where(outbox.c.id == mail.id).values(values))
            if line is not None:
                write_steps(db, mail.mail_id, [line], now)

    def copies(self, message_ids: Collection[str]) -> list[QueuedMail]:
        """Given Message-IDs, return the rows of the mails that bear them."""
        query = _ROWS.where(outbox.c.message_id.in_(message_ids)).order_by(outbox.c.id)
        with self._database.read() as db:
            return [QueuedMail(**row._mapping) for row in db.execute(query)]

    def listed(self, *, states: Collection[str] = (QUEUED,), limit: int = 200) -> list[QueuedMail]:
        """The mails in these states, those that are due first in front."""
        query = _ROWS.where(outbox.c.state.in_(states)).order_by(outbox.c.next_try_at, outbox.c.id)
        with self._database.read() as db:
            return [QueuedMail(**row._mapping) for row in db.execute(query.limit(limit))]

    def sent_since(self, mailboxes: Sequence[str], seconds: float, *, but: Collection[str] = ()) -> int:
        """How many mails of these mailboxes, of other kinds than these, were sent within the last so many seconds. A
        mail to several people counts once for each, as mail providers count.
        """
        theirs = sa.and_(outbox.c.mailbox.in_(mailboxes), within(outbox.c.sent_at, self.clock(), seconds))
        query = sa.select(sa.func.count()).select_from(outbox).where(theirs)
        with self._database.read() as db:
            return int(db.execute(query.where(outbox.c.kind.not_in(but))).scalar() or 0)

    def of_mail(self, mail_id: int) -> list[QueuedMail]:
        """The answers to one mail."""
        with self._database.read() as db:
            rows = db.execute(_ROWS.where(outbox.c.mail_id == mail_id).order_by(outbox.c.id))
            return [QueuedMail(**row._mapping) for row in rows]

    def waiting(self) -> int:
        """How many mails wait to be sent."""
        with self._database.read() as db:
            query = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.state == QUEUED)
            return int(db.execute(query).scalar() or 0)

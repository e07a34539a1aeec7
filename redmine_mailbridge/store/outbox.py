"""The mails that go out: queued in the transaction that ends the mail they answer, sent from here, remembered.

A row is claimed by a conditional update before it is sent, with its next try in the future, so that a crash in
mid-sending sends it again later under the same Message-ID: twice at most where SMTP itself cannot tell.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.effects import Effect, effect
from redmine_mailbridge.store.engine import Database
from redmine_mailbridge.store.life import pause_after
from redmine_mailbridge.store.schema import outbox

QUEUED, SENT, FAILED = "queued", "sent", "failed"
CLAIM_SECONDS = 300.0
Count = Callable[[str, float], int]


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """A mail to send. `why_not`, given what counts answers like it, says why it must not be queued; None: queue it."""

    mailbox: str
    kind: str
    sender: str
    recipient: str
    message_id: str
    content: bytes
    why_not: Callable[[Count], str | None]
    issue: int | None = None


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """A row of the outbox that is to be sent, or was. Times in seconds since the epoch, UTC."""

    id: int
    mail_id: int
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


def queue(db: sa.Connection, insert: Any, mail_id: int, answer: NewAnswer, now: float) -> str:
    """Given an open transaction and an answer, queue it, unless it is too much. Return the line for the record."""
    why_not = answer.why_not(_counter(db, answer, now))
    if why_not is not None:
        return why_not
    values = {
        "mail_id": mail_id,
        "mailbox": answer.mailbox,
        "kind": answer.kind,
        "sender": answer.sender,
        "recipient": answer.recipient.lower(),
        "issue": answer.issue,
        "message_id": answer.message_id,
        "content": answer.content,
        "state": QUEUED,
        "tries": 0,
        "next_try_at": 0.0,
        "created_at": now,
    }
    db.execute(insert.values(values).on_conflict_do_nothing())
    return f"answer queued: {answer.kind} to {answer.recipient}"


def _counter(db: sa.Connection, answer: NewAnswer, now: float) -> Count:
    def count(by: str, seconds: float) -> int:
        conditions: list[sa.ColumnElement[bool]] = [outbox.c.created_at > now - seconds]
        if by == "issue":
            if answer.issue is None:
                return 0
            conditions.append(outbox.c.issue == answer.issue)
        else:
            conditions.append(outbox.c.recipient == answer.recipient.lower())
        if by == "refusal":
            conditions.append(outbox.c.kind == answer.kind)
        return int(db.execute(sa.select(sa.func.count()).select_from(outbox).where(*conditions)).scalar() or 0)

    return count


class Outbox:
    """The queue of mails to send. Safe for many threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def claim(self, mailbox: str, *, limit: int) -> list[QueuedMail]:
        """Claim the mails of a mailbox whose time has come, oldest first: nobody else gets them for five minutes."""
        now = self._clock()
        query = sa.select(outbox).where(
            outbox.c.mailbox == mailbox, outbox.c.state == QUEUED, outbox.c.next_try_at <= now
        )
        claimed = []
        with effect(Effect.RECORD_INTENT), self._database.write() as db:
            for row in db.execute(query.order_by(outbox.c.id).limit(limit)).all():
                mine = sa.update(outbox).where(outbox.c.id == row.id, outbox.c.next_try_at == row.next_try_at)
                if db.execute(mine.values(next_try_at=now + CLAIM_SECONDS)).rowcount == 1:
                    claimed.append(QueuedMail(**row._mapping))
        return claimed

    def sent(self, mail: QueuedMail, words: str) -> None:
        """It was handed over."""
        self._change(mail, {"state": SENT, "sent_at": self._clock(), "reason": words, "tries": mail.tries + 1})

    def failed(self, mail: QueuedMail, words: str) -> None:
        """The server refused it for good."""
        self._change(mail, {"state": FAILED, "reason": words, "tries": mail.tries + 1})

    def later(self, mail: QueuedMail, words: str | None, *, counts: bool = True) -> None:
        """Try again after a growing pause; or, not `counts`, when its turn comes (over a limit)."""
        tries = mail.tries + counts
        pause = pause_after(tries) if counts else 60.0
        self._change(mail, {"tries": tries, "next_try_at": self._clock() + pause, "reason": words})

    def _change(self, mail: QueuedMail, values: dict[str, Any]) -> None:
        with effect(Effect.RECORD_SENT), self._database.write() as db:
            db.execute(sa.update(outbox).where(outbox.c.id == mail.id).values(values))

    def sent_since(self, mailboxes: Sequence[str], seconds: float) -> int:
        """How many mails of these mailboxes were sent within the last so many seconds."""
        query = sa.select(sa.func.count()).select_from(outbox)
        query = query.where(outbox.c.mailbox.in_(mailboxes), outbox.c.sent_at > self._clock() - seconds)
        with self._database.read() as db:
            return int(db.execute(query).scalar() or 0)

    def of_mail(self, mail_id: int) -> list[QueuedMail]:
        """The answers to one mail."""
        with self._database.read() as db:
            rows = db.execute(sa.select(outbox).where(outbox.c.mail_id == mail_id).order_by(outbox.c.id))
            return [QueuedMail(**row._mapping) for row in rows]

    def waiting(self) -> int:
        """How many mails wait to be sent."""
        with self._database.read() as db:
            query = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.state == QUEUED)
            return int(db.execute(query).scalar() or 0)

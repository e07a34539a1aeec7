"""A message is put into the outbox in the transaction of what it answers, unless a limit forbids it."""

import hashlib
from collections.abc import Callable

import sqlalchemy as sa

from redmine_mailbridge.store.dialects import insert_missing
from redmine_mailbridge.store.due import within
from redmine_mailbridge.store.outgoing.rows import QUEUED
from redmine_mailbridge.store.tables import outbox, outgoing_content
from redmine_mailbridge.util.dataclass import dataclass

CountMails = Callable[[str, float], int]
"""Given "issue", "person" or "refusal" and seconds, how many similar messages were queued within them."""


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """A message to send. `why_not`, given a counter of similar messages, returns why not to queue it; None: queue it.

    `among` are the kinds of messages that the counter includes, all if it is None. `person` is the address (lower case)
    that it counts for: the recipient's without its subaddress after "+" (RFC 5233), which anyone can vary;
    "": the recipient unchanged.
    `files` are the attachments of Redmine in it, by ID: sending asks whether they are still there.
    """

    mailbox: str
    kind: str
    sender: str
    recipient: str
    message_id: str
    content: bytes
    why_not: Callable[[CountMails], str | None]
    issue: int | None = None
    among: frozenset[str] | None = None
    person: str = ""
    files: tuple[int, ...] = ()


def queue(db: sa.Connection, mail_id: int | None, answer: NewAnswer, now: float) -> tuple[bool, str]:
    """Given an open transaction and a message, queue it unless a limit forbids it. Return whether it is in the outbox,
    and the line for the history. A message that is already there stays as it is.
    """
    known = sa.select(outbox.c.id).where(
        outbox.c.message_id == answer.message_id, outbox.c.recipient == answer.recipient.lower()
    )
    line = f"{answer.kind} to {answer.recipient}"
    if db.execute(known).first() is not None:
        return True, f"queued before: {line}"
    why_not = answer.why_not(counter(db, answer, now))
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
        "files": " ".join(map(str, answer.files)) or None,
    }
    body = {"hash": values["content_hash"], "content": answer.content}
    insert_missing(db, outgoing_content, body)
    insert_missing(db, outbox, values)
    return True, f"queued: {line}"


def counter(db: sa.Connection, answer: NewAnswer, now: float) -> CountMails:
    """Given an open transaction, a message and a time, return what counts the messages similar to it before then:
    messages, not recipients, since the copies of one message are one.
    """

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
    """The messages to the recipient's person, under any subaddress."""
    address = answer.person or answer.recipient.lower()
    local, at, domain = address.rpartition("@")
    if not (answer.person and at):
        return outbox.c.recipient == address
    tagged = outbox.c.recipient.startswith(f"{local}+", autoescape=True)
    return sa.or_(
        outbox.c.recipient == address, sa.and_(tagged, outbox.c.recipient.endswith(f"@{domain}", autoescape=True))
    )

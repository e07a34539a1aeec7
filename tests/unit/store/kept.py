"""Mails for the tests of the store."""

import datetime as dt

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Description
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.queries.messages import MessageQueries


def keep(
    store: Store, uid: int, mailbox: str = "support", *, folder: str = "INBOX", received: float | None = None
) -> int:
    """Keep a mail. Return its number."""
    at = None if received is None else dt.datetime.fromtimestamp(received, dt.UTC)
    mail = RawMail(Listed(Location(mailbox, folder, "1", str(uid)), 5, at), f"{mailbox} {uid}".encode())
    (row,) = store.add([mail])
    return row.id


def describe(store: Store, mail_id: int, message_id: str, *, sender: str = "kim@c.example", subject: str = "S") -> None:
    """Let a kept mail say this of itself."""
    store.describe([Description(mail_id, message_id, f"key {mail_id}", sender, subject)])


def make(store: Store, mail_id: int, issue: int, *, journal: int | None = None, request: str | None = None) -> None:
    """Let a mail make an issue, or a note on one."""
    if request is not None:
        store.record_intent(mail_id, request)
    store.done(mail_id, "made", issue=issue, created=journal is None, journal=journal)


def put(store: Store, mail_id: int, state: State) -> None:
    """Bring a mail into a state that it can come to from the first one; DONE without an issue is ignored."""
    if state is State.DONE:
        store.done(mail_id, "ignored")
    elif state is State.WRITE_PENDING:
        store.record_intent(mail_id, "{}")
    elif state is not State.STORED:
        store.finish(mail_id, state, "why")


def lines(store: Store, mail_id: int) -> list[str]:
    """The record of a mail."""
    return [step.line for step in MessageQueries(store.database).steps(mail_id)]


def participants(store: Store, issue: int) -> set[str]:
    """The addresses of those who take part in an issue."""
    return set(MessageQueries(store.database).participants([issue])[issue])


def answer(
    number: int, *, issue: int | None = 7, kind: str = "received", to: str = "kim@client.example", **more: object
) -> NewAnswer:
    """A mail for the outbox, which no limit holds back."""
    fields = {"mailbox": "support", "sender": "support@corp.example", "why_not": lambda _: None} | more
    content = f"mail {number}".encode()
    return NewAnswer(kind=kind, recipient=to, message_id=f"m{number}@x", content=content, issue=issue, **fields)  # type: ignore[arg-type]

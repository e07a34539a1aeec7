"""The history of one mail: where it came from, each decision, what was written to Redmine, and the mail itself."""

from typing import Protocol

from redmine_mailbridge.errors import RawUnreadable
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.stored_mail import HistoryLine, StoredMail
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import QueuedMail
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.util.dataclass import dataclass


class ReadCopy(Protocol):
    """Parses a stored mail (`Planner.read`)."""

    def __call__(self, content: bytes, mailbox: str, *, truncated: bool = False) -> Message:
        """Given a mail's content, return the message as this mailbox parses it. Raise KeyError if it is gone."""


@dataclass(frozen=True, slots=True)
class MessageHistory:
    """One mail. `message` is None if its content is no longer stored, `sent` (subject, text) if nothing was written."""

    row: StoredMail
    steps: tuple[HistoryLine, ...]
    answers: tuple[QueuedMail, ...]
    message: Message | None
    sent: tuple[str, str] | None
    files: tuple[str, ...]


def history_of(
    store: Store, message_queries: MessageQueries, outbox: Outbox, read: ReadCopy, mail_id: int
) -> MessageHistory | None:
    """Given the ID of a mail and its mailbox's parser, return its history; None if the mail does not exist."""
    rows = message_queries.messages(MessageFilter(ids=[mail_id], limit=1))
    if not rows:
        return None
    row = rows[0]
    answers = outbox.of_mail(row.id)
    intent = WriteIntent.from_json(row.request) if row.request else None
    return MessageHistory(
        row,
        tuple(message_queries.steps(row.id)),
        tuple(answers),
        message_of(store, read, row),
        _sent(intent) if intent else None,
        tuple(upload.filename for upload in intent.request.uploads) if intent else (),
    )


def raw_of(store: Store, row: StoredMail) -> bytes | None:
    """Given a mail, return its original content; None if it is no longer stored."""
    if row.raw is None:
        return None
    try:
        return bytes(store.raw.read(row.raw))
    except RawUnreadable:
        return None


def message_of(store: Store, read: ReadCopy, row: StoredMail) -> Message | None:
    """Given a mail, return its message as its mailbox parses it; None if its content or its mailbox is gone."""
    raw = raw_of(store, row)
    if raw is None:
        return None
    try:
        return read(raw, row.location.mailbox, truncated=row.truncated)
    except KeyError:
        return None


def _sent(intent: WriteIntent) -> tuple[str, str]:
    """Subject and text of the request that was, or is being, sent."""
    body = intent.request.body().get("issue", {})
    return str(body.get("subject", "")), str(body.get("description") or body.get("notes") or "")

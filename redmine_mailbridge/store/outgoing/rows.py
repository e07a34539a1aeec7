"""The rows of the outbox, and their states.

    queued ──▶ sent ──▶ bounced (a delivery report says that delivery failed)
       ▲ └───▶ failed (the server rejected it permanently, or deferred it for days)
       └─────────┘ retried by an admin

An admin may discard a message that waits, failed or bounced: it stays listed, and is not sent.
"""

from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.store.tables import outbox, outgoing_content
from redmine_mailbridge.util.dataclass import dataclass

QUEUED, SENT, FAILED, BOUNCED, DISCARDED = "queued", "sent", "failed", "bounced", "discarded"
LIMIT_REACHED = "waits: the sending limit is reached"
"""The reason of a message that waits since it exceeds a limit of its account."""
CAUSED_BY_PEOPLE = frozenset({"answer", "received", "received_reply"})
"""The kinds of mail to the requester that a person's note or message causes."""
HEADER_BYTES = 60_000
"""Of a mail in a list: its header is within."""


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """A row of the outbox: to be sent, or sent. Times in seconds since the epoch, UTC.

    `mail_id` is the message whose history records it: the one that it answers, or that created its issue; None for an
    alert to the admin. `content` is empty once it is deleted. `offered_at`: when it was first offered to the server.
    `reported`: the failed delivery is noted on its issue. `files`: the IDs of its attachments in Redmine, with blanks
    between them.
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
    reported: bool = False
    offered_at: float | None = None
    files: str | None = None

    @property
    def offered_before(self) -> bool:
        """Whether it was claimed before, by this process or one that died: it may have been sent then."""
        return self.next_try_at > 0.0 or self.reason is not None

    def as_json(self) -> dict[str, Any]:
        """The object that `queue --json` prints: everything except the message itself."""
        return {
            attribute.name: getattr(self, attribute.name) for attribute in fields(self) if attribute.name != "content"
        }


_COLUMNS = (
    *(outbox.c[attribute.name] for attribute in fields(QueuedMail) if attribute.name != "content"),
    sa.func.coalesce(outgoing_content.c.content, b"").label("content"),
)
ROWS = sa.select(*_COLUMNS).outerjoin(outgoing_content, outgoing_content.c.hash == outbox.c.content_hash)
_HEAD = sa.func.coalesce(sa.func.substr(outgoing_content.c.content, 1, HEADER_BYTES), b"").label("content")
HEADS = sa.select(*_COLUMNS[:-1], _HEAD).outerjoin(outgoing_content, outgoing_content.c.hash == outbox.c.content_hash)
"""The same for lists: of the bytes only the beginning, since a mail with attachments has millions of them."""

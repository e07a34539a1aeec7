"""The values that the store returns and accepts."""

import datetime as dt
from dataclasses import fields
from typing import Any

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location
from redmine_mailbridge.util.dataclass import dataclass

DELETED = "deleted from the server"
"""The folder of a filed message that no longer exists."""


@dataclass(frozen=True, slots=True)
class StoredMail:
    """One message in the store. Times are seconds since the epoch, UTC. `junk`: once rejected, it goes to the junk.
    `requester` is the address of who asks, None if that is the sender.
    """

    id: int
    location: Location
    size: int
    raw: str | None
    truncated: bool
    first_sync: bool
    received_at: float | None
    kept_at: float
    state: State
    tries: int
    next_try_at: float
    accepted: bool
    released: bool
    manual_decision: str | None
    reason: str | None
    changed_at: float
    junk: bool
    message_id: str | None
    sender: str | None
    requester: str | None
    subject: str | None
    request: str | None
    first_sent_at: float | None
    last_sent_at: float | None
    issue: int | None
    created_issue: int | None
    journal: int | None
    filed_at: float | None
    filed_to: str | None
    file_tries: int

    @property
    def arrived_at(self) -> float:
        """When the message arrived: according to the mail server if it reports that, else when it was stored."""
        return self.kept_at if self.received_at is None else min(self.received_at, self.kept_at)

    @property
    def listed(self) -> Listed:
        """The message as its server listed it."""
        received = dt.datetime.fromtimestamp(self.received_at, dt.UTC) if self.received_at is not None else None
        return Listed(self.location, self.size, received)

    def as_json(self) -> dict[str, Any]:
        """The object that `messages --json` prints; times in seconds since the epoch, UTC."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"location", "request"}}
        place = self.location
        where = {"mailbox": place.mailbox, "folder": place.folder, "validity": place.uid_validity, "uid": place.uid}
        return values | {"state": self.state.value} | where


@dataclass(frozen=True, slots=True)
class Description:
    """Headers of a message, for the list of messages and for detecting copies (see copies.py)."""

    mail_id: int
    message_id: str
    content_key: str
    sender: str
    subject: str
    proof: int | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder has been read: everything up to `uid` (None: nothing) under `uid_validity` is known."""

    uid_validity: str
    uid: str | None


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One line of a message's history."""

    at: float
    line: str

"""The values that the store hands out and takes in."""

import datetime as dt
from dataclasses import dataclass, fields
from typing import Any

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Listed, Location

DELETED = "deleted from the server"
"""Where a mail was filed to that is no more."""


@dataclass(frozen=True, slots=True)
class MailRow:
    """One mail as the store remembers it. Times are seconds since the epoch, UTC."""

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
    let_through: bool
    wish: str | None
    reason: str | None
    changed_at: float
    message_id: str | None
    sender: str | None
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
    def came_at(self) -> float:
        """When the mail came: by the mail server where that tells, else when it was kept."""
        return self.kept_at if self.received_at is None else min(self.received_at, self.kept_at)

    @property
    def listed(self) -> Listed:
        """The mail as its server listed it."""
        received = dt.datetime.fromtimestamp(self.received_at, dt.UTC) if self.received_at is not None else None
        return Listed(self.location, self.size, received)

    def as_json(self) -> dict[str, Any]:
        """The object that `messages --json` prints; times in seconds since the epoch, UTC."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"location", "request"}}
        place = self.location
        where = {"mailbox": place.mailbox, "folder": place.folder, "validity": place.validity, "uid": place.uid}
        return values | {"state": self.state.value} | where


@dataclass(frozen=True, slots=True)
class Description:
    """What a mail says of itself, for the list of messages and for telling copies (see copies.py)."""

    mail_id: int
    message_id: str
    content_key: str
    sender: str
    subject: str
    proof: int | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a folder has been read: everything up to `uid` (None: nothing) under `validity` is known."""

    validity: str
    uid: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """One human line about a mail."""

    at: float
    line: str

"""Senders whom a person has blocked or allowed by page or command line, beside the lists of the settings."""

import datetime as dt
from enum import StrEnum

from redmine_mailbridge.util.dataclass import dataclass


class SenderListing(StrEnum):
    """What a person decided about a sender."""

    BLOCK = "block"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class ListedSender:
    """One entry: `pattern` is an address, a domain or "*.domain", in lower case; `at` in seconds since the epoch."""

    pattern: str
    listing: SenderListing
    who: str
    at: float

    def __str__(self) -> str:
        day = dt.datetime.fromtimestamp(self.at, dt.UTC).date().isoformat()
        return f"{self.pattern} ({self.who}, {day})"

"""What is remembered of the mails in a folder over Graph, and their UIDs: the time of arrival and Graph's id. Pure."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

DONE = "Mailbridge done"
"""The category of a mail that is done with and stays where it is."""
SIZE = "Integer 0xE08"
"""PidTagMessageSize: about the size of the mail; Graph tells no exact one."""
STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(slots=True)
class Item:
    """A mail in a folder: its size, when it came, whether it bears our category; `order` grows as mails appear."""

    order: int
    size: int
    received_at: dt.datetime | None
    done: bool


@dataclass(slots=True)
class Seen:
    """What is known of a folder: where the next question for changes goes, and the mails by UID."""

    link: str = ""
    items: dict[str, Item] = field(default_factory=dict)
    count: int = 0
    told: int = 0
    """How many had appeared when the folder was last listed or waited in."""


def id_of(uid: str) -> str:
    """Given a UID, return Graph's id, as it goes into a path (RFC 3986): ids hold `=`, `-` and `_`."""
    return uid.partition("-")[2].replace("/", "%2F").replace("+", "%2B")


def uid_of(message: dict[str, Any], received_at: dt.datetime | None) -> str:
    """Given a message and when it came, return its UID."""
    return f"{(received_at or dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).strftime(STAMP)}-{message['id']}"


def time_of(message: dict[str, Any]) -> dt.datetime | None:
    """Given a message, return when it came; None when it does not say."""
    try:
        return dt.datetime.fromisoformat(str(message.get("receivedDateTime", "")))
    except ValueError:
        return None


def item_of(message: dict[str, Any], order: int) -> Item:
    """Given a message and its place, return what is remembered of it."""
    sizes = [one.get("value") for one in message.get("singleValueExtendedProperties", ())]
    size = next((int(value) for value in sizes if str(value).isdecimal()), 0)
    return Item(order, size, time_of(message), DONE in message.get("categories", ()))


def is_after(uid: str, item: Item, after: str | None, anchor: Item | None) -> bool:
    """Is a mail behind the cursor? When the cursor's mail is not there any more, the time in its UID says so."""
    if after is None:
        return True
    if anchor is not None:
        return item.order > anchor.order
    return uid.partition("-")[0] >= after.partition("-")[0]

"""What is remembered of the mails in a folder over Graph, and their UIDs: the time of arrival and Graph's id. Pure."""

import datetime as dt
from dataclasses import field
from typing import Any

from redmine_mailbridge.util.dataclass import dataclass

DONE = "Mailbridge done"
"""The category of a mail that is done with and stays where it is."""
SIZE = "Integer 0xE08"
"""PidTagMessageSize: approximately the size of the message; Graph reports no exact one."""
STAMP = "%Y%m%dT%H%M%SZ"


GONE_AT_MOST = 1000
"""Of so many listed mails that have left a folder the place is remembered: the cursor is the last of them."""


@dataclass(slots=True)
class GraphItem:
    """A mail in a folder: its size, when it came, whether it has the bridge's category; `order` grows as messages
    arrive.

    `listed`: this process has listed it.
    """

    order: int
    size: int
    received_at: dt.datetime | None
    done: bool
    message_id: str = ""
    listed: bool = False


@dataclass(slots=True)
class FolderSnapshot:
    """What is known of a folder: where the next question for changes goes, and the mails by UID."""

    link: str = ""
    items: dict[str, GraphItem] = field(default_factory=dict)
    count: int = 0
    reported: int = 0
    """How many had appeared when the folder was last listed or waited in."""
    gone: dict[str, int] = field(default_factory=dict)
    """The order of mails that were listed and are not there any more, the newest last."""

    def remove(self, uid: str) -> None:
        """A mail has left the folder."""
        item = self.items.pop(uid, None)
        if item is not None and item.listed:
            self.gone[uid] = item.order
            if len(self.gone) > GONE_AT_MOST:
                del self.gone[next(iter(self.gone))]

    def behind(self, after: str | None) -> list[str]:
        """Given a cursor, return the UIDs of the mails that appeared after it and are not done with, in that order.

        The cursor counts only where this process has listed it. After a restart all that lies there may be new: the
        times of arrival say nothing, since a mail may enter the folder long after it was received (out of Junk, out
        of quarantine, dragged back). What the store knows the caller leaves out.
        """
        item = self.items.get(after or "")
        place = self.gone.get(after or "", -1) if item is None or not item.listed else item.order
        return [uid for uid, other in self.items.items() if not other.done and other.order > place]


def id_of(uid: str) -> str:
    """Given a UID, return Graph's id, as it goes into a path (RFC 3986): ids hold `=`, `-` and `_`."""
    return uid.partition("-")[2].replace("/", "%2F").replace("+", "%2B")


def uid_of(message: dict[str, Any], received_at: dt.datetime | None) -> str:
    """Given a message and when it came, return its UID."""
    return f"{(received_at or dt.datetime(1970, 1, 1, tzinfo=dt.UTC)).strftime(STAMP)}-{message['id']}"


def time_of(message: dict[str, Any]) -> dt.datetime | None:
    """Given a message, return when it came; None when it does not say."""
    try:
        moment = dt.datetime.fromisoformat(str(message.get("receivedDateTime", "")))
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    return moment if dt.MINYEAR < moment.year < dt.MAXYEAR else None  # Exchange's DateTime.MinValue means unknown


def item_of(message: dict[str, Any], order: int) -> GraphItem:
    """Given a message and its place, return what is remembered of it."""
    sizes = [extended.get("value") for extended in message.get("singleValueExtendedProperties", ())]
    size = next((int(value) for value in sizes if str(value).isdecimal()), 0)
    written = " ".join(str(message.get("internetMessageId") or "").split())
    return GraphItem(order, size, time_of(message), DONE in message.get("categories", ()), written)

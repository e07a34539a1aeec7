"""How much of a mailbox is taken: the first time, and when suddenly very much is new. Pure; the task applies it."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import TypeVar

from redmine_mailbridge.settings.first_sync import StartSettings

Mail = TypeVar("Mail")


def first_taken(
    mails: Sequence[Mail],
    received_at: Callable[[Mail], dt.datetime | None],
    start: StartSettings,
    first_seen: dt.datetime,
) -> tuple[Mail, ...]:
    """Given what lies in a folder the first time (oldest first), when each mail was received (aware; None: not
    known), and when the bridge first looked, return those that are taken, oldest first.

    A mail of unknown time counts as new. A day in `start_from` begins at midnight in the time zone of `first_seen`.
    """
    since = start_moment(start, first_seen)
    taken = [mail for mail in mails if since is None or (at := received_at(mail)) is None or at >= since]
    return tuple(taken[-start.first_sync_limit :] if start.first_sync_limit else taken)


def taken_again(
    mails: Sequence[Mail],
    received_at: Callable[[Mail], dt.datetime | None],
    start: StartSettings,
    first_seen: dt.datetime,
) -> tuple[Mail, ...]:
    """The same for a folder whose UIDs have all changed: what was not taken the first time is not taken now.

    Which mails a `first_sync_limit` left is not known any more: everything that was there before is left.
    """
    since: dict[str, object] = {"first_sync_limit": 0} | ({"start_from": "now"} if start.first_sync_limit else {})
    return first_taken(mails, received_at, start.model_copy(update=since), first_seen)


def taken_since(
    mails: Sequence[Mail], received_at: Callable[[Mail], dt.datetime | None], since: float
) -> tuple[Mail, ...]:
    """The same where it was noted from when on mails are taken, by the time of their receipt (epoch seconds)."""
    return tuple(mail for mail in mails if (at := received_at(mail)) is None or at.timestamp() >= since)


def start_moment(start: StartSettings, first_seen: dt.datetime) -> dt.datetime | None:
    """Given the settings and when the bridge first looked, return from when on mail counts; None: all of it."""
    match start.start_from:
        case "all" | None:
            return None
        case "now":
            return first_seen
        case dt.datetime() as moment:
            return moment
        case day:
            return dt.datetime.combine(day, dt.time(), tzinfo=first_seen.tzinfo)


def came_later(received_at: dt.datetime | None, start: StartSettings) -> bool:
    """Given when a mail was received, is it none of those that lay there, since it came after the moment that the
    settings name?
    """
    moment = start.start_from
    return isinstance(moment, dt.datetime) and received_at is not None and received_at >= moment


def braked(new: int, start: StartSettings, released: int | None = None) -> str | None:
    """Given how many mails are new, and how many an admin has released (None: none), return why the mailbox stops
    and asks; None when it goes on.
    """
    if not start.brake_at or new <= start.brake_at or (released is not None and new <= released):
        return None
    return (
        f"{new} mails are suddenly new, more than brake_at = {start.brake_at}: "
        "a moved archive, or a folder with a new UIDVALIDITY?"
    )

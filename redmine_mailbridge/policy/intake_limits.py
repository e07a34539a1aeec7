"""How much of a mailbox is imported: at the first sync, and when too much is new. Pure; the task applies it."""

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
    """Given the messages of a folder at the first sync (oldest first), when each was received (aware; None: not
    known), and the time of the first sync, return those to import, oldest first.

    A message of unknown time counts as new. A day in `start_from` starts at midnight in the time zone of `first_seen`.
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
    """The same for a folder whose UIDs have all changed: what was skipped at the first sync is skipped now.

    The messages skipped by a `first_sync_limit` are no longer known: everything that existed before is skipped.
    """
    since: dict[str, object] = {"first_sync_limit": 0} | ({"start_from": "now"} if start.first_sync_limit else {})
    return first_taken(mails, received_at, start.model_copy(update=since), first_seen)


def taken_since(
    mails: Sequence[Mail], received_at: Callable[[Mail], dt.datetime | None], since: float
) -> tuple[Mail, ...]:
    """The same if the time of receipt from which messages are imported was recorded (epoch seconds)."""
    return tuple(mail for mail in mails if (at := received_at(mail)) is None or at.timestamp() >= since)


def start_moment(start: StartSettings, first_seen: dt.datetime) -> dt.datetime | None:
    """Given the settings and the time of the first sync, return from when on messages are imported; None: all."""
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
    """Given when a message was received, is it certainly not one of the existing messages, since it arrived after the
    time in the settings?
    """
    moment = start.start_from
    return isinstance(moment, dt.datetime) and received_at is not None and received_at >= moment


def braked(new: int, start: StartSettings, released: int | None = None) -> str | None:
    """Given how many mails are new, and how many an admin has released (None: none), return why the mailbox stops
    for an admin; None if it continues.
    """
    if not start.max_new_mails or new <= start.max_new_mails or (released is not None and new <= released):
        return None
    return (
        f"{new} new mails at once, more than max_new_mails = {start.max_new_mails}: "
        "a moved archive, or a folder with a new UIDVALIDITY?"
    )

"""Crontab lines (crontab(5)): APScheduler's triggers with crontab's semantics, so that the differences stay here.

APScheduler counts weekdays from Monday (here 0 and 7 are Sunday, as in crontab); it requires both day fields to
match (here one is enough if neither starts with `*`); at clock changes, a time in the
repeated hour occurs twice (here once, unless the hour is `*`: an all-day schedule continues).
"""

import datetime as dt
import re
from functools import partial
from zoneinfo import ZoneInfo

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from tzlocal import get_localzone

from redmine_mailbridge.errors import SettingsError

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
CHANGE_AT_MOST = dt.timedelta(hours=3)
"""The maximum clock change for daylight saving time."""


class Crontab(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """The times of a crontab line with fixed hours, in local time.

    A repeated time counts once, the first time; a skipped time runs later by the amount that the
    clock changed.
    """

    def __init__(self, wall: BaseTrigger, zone: ZoneInfo) -> None:
        self._wall = wall  # computes in UTC, as if clocks never changed
        self._zone = zone

    def get_next_fire_time(self, previous_fire_time: dt.datetime | None, now: dt.datetime) -> dt.datetime | None:
        """The first time after the previous one, not before now; None if there is none."""
        begin = max(now, previous_fire_time or now).astimezone(self._zone)
        at: dt.datetime | None = begin.replace(tzinfo=dt.UTC) - CHANGE_AT_MOST
        while at is not None:
            at = self._wall.get_next_fire_time(None, at)
            if at is None:
                break
            instant = at.replace(tzinfo=self._zone).astimezone(dt.UTC)
            if instant >= now and (previous_fire_time is None or instant > previous_fire_time):
                return instant.astimezone(self._zone)
            at += dt.timedelta(seconds=1)
        return None


def crontab(expression: str, zone: ZoneInfo | None = None) -> BaseTrigger:
    """Given a crontab expression of five fields, return its trigger, with 0 and 7 as Sunday (crontab(5)).

    Raise SettingsError if it is invalid.
    """
    fields = expression.split()
    if len(fields) != 5:
        raise SettingsError(f'cron = "{expression}": five fields are required, e.g. "*/15 8-18 * * mon-fri"')
    minute, hour, day, month, weekday = fields
    try:
        days = _weekdays(weekday)
        place = zone or get_localzone()
        reckoned = place if hour.startswith("*") else dt.UTC
        made = partial(CronTrigger, minute=minute, hour=hour, month=month, timezone=reckoned)
        if day.startswith("*") or weekday.startswith("*"):
            cron = made(day=day, day_of_week=days)
        else:  # OrTrigger uses the earlier of the two
            cron = OrTrigger([made(day=day), made(day_of_week=days)])
    except ValueError as error:
        raise SettingsError(f'cron = "{expression}": {error}') from error
    return cron if hour.startswith("*") else Crontab(cron, place)


def _weekdays(field: str) -> str:
    """Given crontab's day-of-week field, return it with names in place of numbers."""
    parts = []
    for part in field.split(","):
        span, _, stride = part.partition("/")
        if span == "*":
            parts.append(part if not stride else ",".join(_DAYS[n] for n in range(0, 7, int(stride))))
            continue
        first, _, last = span.partition("-")
        low, high = _weekday(first), _weekday(last or first)
        if low > high:
            high += 7
        parts.append(",".join(_DAYS[n % 7] for n in range(low, high + 1, int(stride or 1))))
    return ",".join(parts)


def _weekday(word: str) -> int:
    if re.fullmatch("[0-7]", word):
        return int(word)
    if word.lower() in _DAYS:
        return _DAYS.index(word.lower())
    raise ValueError(f'"{word}" is not a day of the week: 0 to 7 (0 and 7 are Sunday) or mon to sun')

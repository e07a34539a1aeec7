"""Business hours by project: `[calendars.NAME]`."""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

from redmine_mailbridge.business_time.business_hours import ALWAYS, Calendar, Calendars, Hours
from redmine_mailbridge.business_time.holidays import MAX_BYTES, NO_HOLIDAYS, HolidayError, Holidays, read
from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.value_types import FilePath, Name
from redmine_mailbridge.util.suggest import did_you_mean

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: Final[tuple[Weekday, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([0-9]{1,2}):([0-9]{2})\s{0,3}-\s{0,3}([0-9]{1,2}):([0-9]{2})")
TRIAL_YEARS = 2
"""How many years of a holiday file are expanded when the settings are loaded, the current one included."""


def parse_hours(text: str) -> Hours:
    """Given "09:00-12:30, 13:30-17:00" or "", return the time spans in seconds of the day. Raise ValueError."""
    spans = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        span = _SPAN.fullmatch(part)
        if span is None:
            raise ValueError('must be hours such as "09:00-17:00" or "09:00-12:30, 13:30-17:00"')
        opens, closes = int(span[1]) * 60 + int(span[2]), int(span[3]) * 60 + int(span[4])
        if int(span[2]) > 59 or int(span[4]) > 59 or not opens < closes <= 1440:
            raise ValueError(f'"{part}" must run forwards within one day, from 00:00 to 24:00')
        spans.append((opens * 60, closes * 60))
    spans.sort()
    if any(later[0] < earlier[1] for earlier, later in pairwise(spans)):
        raise ValueError("must not overlap")
    return tuple(spans)


def _hours(value: str) -> str:
    parse_hours(value)
    return value


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _zone(value: str) -> str:
    """Given a time zone name, return it. Raise ValueError if the IANA list does not have it."""
    if value not in _zones():
        raise ValueError(f'must be a time zone such as "Europe/Berlin"{did_you_mean(value, sorted(_zones()))}')
    return value


HoursText = Annotated[str, AfterValidator(_hours)]
ZoneName = Annotated[str, AfterValidator(_zone)]
_OFFICE: Final[dict[Weekday, str]] = dict.fromkeys(WEEK[:5], "09:00-17:00")


class CalendarSettings(SettingsTable):
    """Working hours by project: business hours for automation rules and reports."""

    projects: tuple[Name, ...] = setting(
        "The identifiers of the projects that use this calendar. One calendar may omit this: it applies to all "
        "other projects. Without it, other projects are always open.",
        (),
    )
    time_zone: ZoneName = setting("The time zone of the hours and of the holidays.", "UTC")
    hours: dict[Weekday, HoursText] = setting(
        'The hours of each weekday: { mon = "09:00-12:30, 13:30-17:00" }. A day that is not named is closed.', _OFFICE
    )
    holidays: FilePath | None = setting(
        "An iCalendar file (.ics) of holidays, recurring ones included. An all-day event closes those days, an "
        "event with times closes that time span.",
        None,
        shown="none",
    )

    def calendar(self, name: str) -> Calendar:
        """Given its name, return the calendar with its holidays. Raise ValueError if the holiday file is unusable."""
        week = tuple(parse_hours(self.hours.get(day, "")) for day in WEEK)
        return Calendar(name, ZoneInfo(self.time_zone), week, read_file(self.holidays))


def read_file(file: Path | None) -> Holidays:
    """Given a holiday file or None, return the holidays. Raise ValueError, with the reason, if it is unusable."""
    if file is None:
        return NO_HOLIDAYS
    this_year = dt.datetime.now(dt.UTC).year
    try:
        with file.open("rb") as opened:
            return read(opened.read(MAX_BYTES + 1), years=range(this_year, this_year + TRIAL_YEARS))
    except OSError as error:
        raise ValueError(f"{file}: {error.strerror or type(error).__name__}") from error
    except HolidayError as error:
        raise ValueError(f"{file}: {error}") from error


def calendars(tables: Mapping[str, CalendarSettings]) -> Calendars:
    """Given the settings' calendars, return which project uses which. Raise ValueError if holidays are unreadable."""
    by_name = {name: table.calendar(name) for name, table in tables.items()}
    default = next((by_name[name] for name, table in tables.items() if not table.projects), ALWAYS)
    return Calendars(default, {p.lower(): by_name[name] for name, table in tables.items() for p in table.projects})


def conflicts(tables: Mapping[str, CalendarSettings]) -> Iterator[str]:
    """Given the settings' calendars, yield each conflict between two of them."""
    keeps: dict[str, str] = {}
    for name, table in tables.items():
        for project in table.projects or ("",):
            other = keeps.setdefault(project.lower(), name)
            if other != name and project:
                yield f'calendars.{name}.projects: "{project}" already uses calendar "{other}"'
            elif other != name:
                yield f'calendars.{name}.projects: is required: calendar "{other}" already applies to all others'
        if not any(parse_hours(hours) for hours in table.hours.values()):
            yield f"calendars.{name}.hours: must contain at least one open hour"

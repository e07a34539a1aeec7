"""Holidays from an iCalendar file (RFC 5545), recurring ones included, with limits: the file is untrusted.

An all-day event closes its days in the calendar's zone, at least its first day (some programs end
it on that same day); one with times closes that span (half a day). Whether
an event is marked as "free" does not matter, since public holiday lists are; a cancelled one does not close.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import field
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    import icalendar
    import recurring_ical_events
else:
    icalendar = lazy_import("icalendar")
    recurring_ical_events = lazy_import("recurring_ical_events")

MAX_BYTES = 1_000_000
MAX_EVENTS = 5_000
MAX_A_YEAR = 5_000
MAX_STEPS = 1_000_000
"""Maximum recurrences of all events until the end of LAST_YEAR: the cost of expanding them."""
FIRST_YEAR, LAST_YEAR = 1900, 2100
_WITHIN_A_DAY = {"BYHOUR", "BYMINUTE", "BYSECOND"}
_A_YEAR = {"DAILY": 366, "WEEKLY": 53, "MONTHLY": 12, "YEARLY": 1}

DaySpan = tuple[float, float]


class HolidayError(ValueError):
    """A holiday file is unusable; the text says why."""


@dataclass(frozen=True)
class Holidays:
    """The events of a file, expanded year by year on demand. Created by `read`."""

    _events: Any = None
    _years: dict[tuple[int, str], tuple[DaySpan, ...]] = field(default_factory=dict, repr=False, compare=False)

    def closed(self, span: DaySpan, zone: ZoneInfo) -> list[DaySpan]:
        """Given a span of instants and the calendar's zone, return the closed spans that touch it, in order.

        Raise HolidayError if the file cannot be expanded for that year.
        """
        if self._events is None:
            return []
        years = {dt.datetime.fromtimestamp(instant, zone).year for instant in span}
        spans = {holiday for year in years for holiday in self.year(year, zone)}
        return sorted((begin, end) for begin, end in spans if begin < span[1] and span[0] < end)

    def year(self, year: int, zone: ZoneInfo) -> tuple[DaySpan, ...]:
        """Given a year, return all its closed spans, in order. Raise HolidayError if the file exceeds a limit."""
        key = (year, zone.key)
        if key not in self._years:
            self._years[key] = tuple(sorted(self._unrolled(year, zone)))
        return self._years[key]

    def _unrolled(self, year: int, zone: ZoneInfo) -> Iterator[DaySpan]:
        try:
            events = self._events.between(dt.date(year - 1, 12, 31), dt.date(year + 1, 1, 2))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise HolidayError(f"the events of {year} cannot be expanded: {type(error).__name__}") from error
        if len(events) > MAX_A_YEAR:
            raise HolidayError(f"has more than {MAX_A_YEAR} events in {year}")
        for event in events:
            begin, end = _instant(event.start, zone), _instant(event.end, zone)
            if begin < end:
                yield begin, end


NO_HOLIDAYS = Holidays()


def read(data: bytes, *, years: range = range(0)) -> Holidays:
    """Given an iCalendar file, return its holidays, after expanding these years as a test.

    Raise HolidayError if it is invalid, or exceeds a limit.
    """
    if len(data) > MAX_BYTES:
        raise HolidayError(f"is larger than {MAX_BYTES} bytes")
    try:
        calendar = icalendar.Calendar.from_ical(data)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise HolidayError("is not an iCalendar file (.ics)") from error
    events = calendar.walk("VEVENT")
    if not events:
        raise HolidayError("contains no events")
    if len(events) > MAX_EVENTS:
        raise HolidayError(f"contains more than {MAX_EVENTS} events")
    if sum(_steps(event) for event in events) > MAX_STEPS:
        raise HolidayError("has too many recurrences for a list of holidays")
    for event in events:
        _last_a_day(event)
    calendar.subcomponents[:] = [
        part for part in calendar.subcomponents if str(part.get("STATUS", "")).upper() != "CANCELLED"
    ]
    holidays = Holidays(recurring_ical_events.of(calendar, components=["VEVENT"]))
    for year in years:
        holidays.year(year, ZoneInfo("UTC"))
    return holidays


def _last_a_day(event: Any) -> None:
    """Given an event of whole days that ends where it begins, take off its end: without one it lasts that day (RFC 5545
    section 3.6.1).
    """
    begin, end = (event[name].dt if name in event else None for name in ("DTSTART", "DTEND"))
    if type(begin) is dt.date and type(end) is dt.date and end <= begin:
        del event["DTEND"]


def _steps(event: Any) -> int:
    """Given an event, return its number of recurrences until LAST_YEAR. Raise HolidayError if it is not a holiday:
    without a day, unreadable, or recurring within a day, which would never end.
    """
    name = str(event.get("SUMMARY", ""))[:60] or "without a name"
    if event.errors:
        raise HolidayError(f'event "{name}" cannot be read: {event.errors[0][0]}')
    if event.get("DTSTART") is None or not FIRST_YEAR <= event["DTSTART"].dt.year <= LAST_YEAR:
        raise HolidayError(f'event "{name}" does not start between {FIRST_YEAR} and {LAST_YEAR}')
    rules = event.get("RRULE") or []
    years, steps = LAST_YEAR - event["DTSTART"].dt.year + 1, 1
    for rule in rules if isinstance(rules, list) else [rules]:
        often = _A_YEAR.get(str(rule.get("FREQ", [""])[0]).upper())
        if often is None or _WITHIN_A_DAY & set(rule) or any(n < 1 for n in rule.get("INTERVAL", [])):
            raise HolidayError(f'event "{name}" recurs more often than a holiday can')
        steps += years * often
    return steps


def _instant(moment: dt.date | dt.datetime, zone: ZoneInfo) -> float:
    """Given a day (its midnight counts) or a time of an event, return the instant; one without a zone is local."""
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day, tzinfo=zone)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)).timestamp()

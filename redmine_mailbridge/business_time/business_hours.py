"""Business time: the open time between two instants, and when a number of open hours will have passed.

An instant is open if the local time in the calendar's zone is within that weekday's hours, and outside
all holidays. This also holds on the nights of clock changes: a repeated hour counts
twice, a skipped hour does not count.
"""

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from zoneinfo import ZoneInfo

from redmine_mailbridge.business_time.holidays import NO_HOLIDAYS, Holidays
from redmine_mailbridge.util.dataclass import dataclass

DAY = 86400
MONDAY_AT_EPOCH = 3  # 1970-01-01 was a Thursday
NEVER = math.inf
HORIZON = 3660
"""For how many days ahead an open hour is searched."""

TimeSpan = tuple[float, float]
Hours = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Calendar:
    """The open hours. `week` contains for Monday to Sunday the open spans of a day in seconds since its midnight,
    in order and disjoint. All instants are seconds since the epoch, UTC.
    """

    name: str
    zone: ZoneInfo
    week: tuple[Hours, ...]
    holidays: Holidays = NO_HOLIDAYS
    _days: dict[int, tuple[TimeSpan, ...]] = field(default_factory=dict, repr=False, compare=False)

    def seconds_between(self, start: float, end: float) -> float:
        """Given two instants, return the open seconds from the first to the second; negative if the second is
        earlier."""
        if end < start:
            return -self.seconds_between(end, start)
        total = 0.0
        for day in range(math.floor(start / DAY), math.floor(end / DAY) + 1):
            for opens, closes in self._open(day):
                total += max(0.0, min(closes, end) - max(opens, start))
        return total

    def after(self, start: float, seconds: float) -> float:
        """Given an instant and open seconds (not negative), return the first instant by which they have passed.

        For 0 that is the instant itself, open or not. NEVER if it is more than ten years away from the
        last open hour, as in a calendar that is always closed.
        """
        left, day, idle = seconds, math.floor(start / DAY), 0
        if left <= 0:
            return start
        while idle <= HORIZON:
            idle += 1
            for opens, closes in self._open(day):
                begins = max(opens, start)
                if closes <= begins:
                    continue
                idle = 0
                if left <= closes - begins:
                    return begins + left
                left -= closes - begins
            day += 1
        return NEVER

    def _open(self, day: int) -> tuple[TimeSpan, ...]:
        """Given a UTC day, as number since the epoch, return its open spans, in order."""
        spans = self._days.get(day)
        if spans is None:
            spans = self._days[day] = tuple(self._reckon(day))
        return spans

    def _reckon(self, day: int) -> Iterator[TimeSpan]:
        for begin, end, offset in self._steady(day * DAY, (day + 1) * DAY):
            for span in self._by_the_wall(begin, end, offset):
                yield from _without(span, self.holidays.closed(span, self.zone))

    def _by_the_wall(self, begin: int, end: int, offset: int) -> Iterator[TimeSpan]:
        """Given a span with a constant zone offset, return the part of it within the week's hours."""
        for local_day in range((begin + offset) // DAY, (end + offset - 1) // DAY + 1):
            midnight = local_day * DAY - offset
            for opens, closes in self.week[(local_day + MONDAY_AT_EPOCH) % 7]:
                span = max(begin, midnight + opens), min(end, midnight + closes)
                if span[0] < span[1]:
                    yield span

    def _steady(self, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Given a span of up to a day, split it at the zone's clock changes: (begin, end, offset in seconds)."""
        first, last = self._offset(begin), self._offset(end - 1)
        if first == last:
            yield begin, end, first
            return
        low, high = begin, end - 1  # the offset is `first` at low and another at high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._offset(middle) == first else (low, middle)
        yield begin, high, first
        yield from self._steady(high, end)

    def _offset(self, instant: int) -> int:
        offset = dt.datetime.fromtimestamp(instant, self.zone).utcoffset()
        return 0 if offset is None else int(offset.total_seconds())


@dataclass(frozen=True, slots=True)
class Calendars:
    """The calendar of each project. A project without one uses the `default`."""

    default: Calendar
    by_project: Mapping[str, Calendar] = field(default_factory=dict)

    def of(self, project: str) -> Calendar:
        """Given a project's identifier, return its calendar."""
        return self.by_project.get(project.lower(), self.default)


def _without(span: TimeSpan, closed: Sequence[TimeSpan]) -> Iterator[TimeSpan]:
    """Given a span and closed ones in order, return the remaining parts."""
    begin, end = span
    for closes, opens in closed:
        if begin < min(closes, end):
            yield begin, min(closes, end)
        begin = max(begin, opens)
    if begin < end:
        yield begin, end


ALWAYS = Calendar("always", ZoneInfo("UTC"), (((0, DAY),),) * 7)
"""Always open: for projects without a calendar."""

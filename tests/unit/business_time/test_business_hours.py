"""Business time: examples that a reader can check by hand, and properties against counting minute by minute."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redmine_mailbridge.business_time.business_hours import ALWAYS, DAY, NEVER, Calendar, Calendars
from redmine_mailbridge.business_time.holidays import NO_HOLIDAYS, Holidays, read
from redmine_mailbridge.settings.calendars import parse_hours

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = ("09:00-17:00",) * 5 + ("", "")
HOUR = 3600.0


def calendar(*week: str, zone: ZoneInfo = BERLIN, holidays: Holidays = NO_HOLIDAYS) -> Calendar:
    return Calendar("test", zone, tuple(parse_hours(day) for day in week), holidays)


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    """Given "2026-03-27 16:00", return the instant."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def said(instant: float, zone: ZoneInfo = BERLIN) -> str:
    return dt.datetime.fromtimestamp(instant, zone).strftime("%Y-%m-%d %H:%M")


def file(*events: str) -> bytes:
    body = "".join(f"BEGIN:VEVENT\r\nUID:{n}\r\nSUMMARY:Day {n}\r\n{e}\r\nEND:VEVENT\r\n" for n, e in enumerate(events))
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\n{body}END:VCALENDAR\r\n".encode()


HOLIDAYS = read(
    file(
        "DTSTART;VALUE=DATE:20200101\r\nRRULE:FREQ=YEARLY",
        "DTSTART;VALUE=DATE:20261225\r\nDTEND;VALUE=DATE:20261227\r\nTRANSP:TRANSPARENT",
        "DTSTART:20261224T120000\r\nDTEND:20261224T235959",
        "DTSTART;TZID=America/New_York:20260706T040000\r\nDTEND;TZID=America/New_York:20260706T050000",
        "DTSTART;VALUE=DATE:20260707\r\nSTATUS:CANCELLED",
    )
)

BETWEEN = [
    # within a day, and over the edges of its hours
    ("2026-11-16 10:00", "2026-11-16 12:00", 2.0),
    ("2026-11-16 07:00", "2026-11-16 12:00", 3.0),
    ("2026-11-16 16:00", "2026-11-16 23:00", 1.0),
    ("2026-11-16 18:00", "2026-11-17 08:00", 0.0),
    # nights and week-ends
    ("2026-11-16 16:00", "2026-11-17 10:00", 2.0),
    ("2026-11-20 16:00", "2026-11-23 10:00", 2.0),
    ("2026-11-21 00:00", "2026-11-22 23:59", 0.0),
    ("2026-11-16 00:00", "2026-11-23 00:00", 40.0),
    # backwards
    ("2026-11-16 12:00", "2026-11-16 10:00", -2.0),
    # holidays: a day every year, two days at once, half a day, an hour told in another zone, a cancelled one
    ("2026-12-31 16:00", "2027-01-04 10:00", 2.0),
    ("2026-12-24 09:00", "2026-12-28 10:00", 4.0),
    ("2026-07-06 09:00", "2026-07-06 12:00", 2.0),
    ("2026-07-07 09:00", "2026-07-07 12:00", 3.0),
]


@pytest.mark.parametrize(("start", "end", "hours"), BETWEEN)
def test_business_hours_between_two_instants(start: str, end: str, hours: float) -> None:
    """Of the time between two instants only the calendar's hours count, without its holidays."""
    assert hours == calendar(*OFFICE, holidays=HOLIDAYS).seconds_between(at(start), at(end)) / HOUR


AFTER = [
    ("2026-11-16 10:00", 2.0, "2026-11-16 12:00"),
    ("2026-11-16 10:00", 0.0, "2026-11-16 10:00"),
    ("2026-11-16 15:00", 2.0, "2026-11-16 17:00"),  # the last instant of the day, not the first of the next
    ("2026-11-16 16:00", 4.0, "2026-11-17 12:00"),
    ("2026-11-20 16:00", 4.0, "2026-11-23 12:00"),
    ("2026-11-21 12:00", 4.0, "2026-11-23 13:00"),
    ("2026-12-31 16:00", 4.0, "2027-01-04 12:00"),
    ("2026-12-24 11:00", 2.0, "2026-12-28 10:00"),
    ("2026-11-16 09:00", 40.0, "2026-11-20 17:00"),
    ("2026-11-16 09:00", 80.5, "2026-11-30 09:30"),
]


@pytest.mark.parametrize(("start", "hours", "end"), AFTER)
def test_the_instant_after_some_business_hours(start: str, hours: float, end: str) -> None:
    """The instant after N business hours is the first by which they have passed."""
    assert end == said(calendar(*OFFICE, holidays=HOLIDAYS).after(at(start), hours * HOUR))


NIGHTS = [
    # clocks go forward: 02:00 to 03:00 is never shown
    ("00:00-24:00", "2026-03-29 00:00", "2026-03-30 00:00", 23.0),
    ("02:00-03:00", "2026-03-29 00:00", "2026-03-30 00:00", 0.0),
    ("02:30-03:30", "2026-03-29 00:00", "2026-03-30 00:00", 0.5),
    ("01:30-04:00", "2026-03-29 00:00", "2026-03-30 00:00", 1.5),
    # clocks go back: 02:00 to 03:00 is shown twice
    ("00:00-24:00", "2026-10-25 00:00", "2026-10-26 00:00", 25.0),
    ("02:00-03:00", "2026-10-25 00:00", "2026-10-26 00:00", 2.0),
    ("01:00-02:30", "2026-10-25 00:00", "2026-10-26 00:00", 2.0),
    ("22:00-24:00", "2026-10-24 00:00", "2026-10-26 00:00", 4.0),
]


@pytest.mark.parametrize(("hours", "start", "end", "expected"), NIGHTS)
def test_nights_when_clocks_change(hours: str, start: str, end: str, expected: float) -> None:
    """An hour that the clock shows twice counts twice, one that it never shows does not count."""
    assert expected == calendar(*(hours,) * 7).seconds_between(at(start), at(end)) / HOUR


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/St_Johns", "Asia/Kathmandu", "Pacific/Honolulu"])
def test_a_day_is_the_zones_own(zone: str) -> None:
    """Weekdays and holidays begin at the zone's own midnight, wherever on earth."""
    there = ZoneInfo(zone)
    day = calendar("00:00-24:00", "", "", "", "", "", "", zone=there, holidays=HOLIDAYS)

    assert 24.0 == day.seconds_between(at("2026-11-15 12:00", there), at("2026-11-18 12:00", there)) / HOUR
    assert at("2026-11-23 01:00", there) == day.after(at("2026-11-17 00:00", there), HOUR)


def test_a_closed_calendar_never_comes_to_an_end() -> None:
    """Where nobody is ever there no hour passes, and the instant is never."""
    closed = calendar(*("",) * 7)

    assert 0.0 == closed.seconds_between(at("2020-01-01"), at("2027-01-01"))
    assert NEVER == closed.after(at("2026-01-01"), 1.0)
    assert at("2026-01-01") == closed.after(at("2026-01-01"), 0.0)


def test_projects_without_a_calendar_keep_the_default() -> None:
    """A project's identifier finds its calendar in any case; others get the default."""
    office = calendar(*OFFICE)
    kept = Calendars(ALWAYS, {"support": office})

    assert (office, office, ALWAYS) == (kept.of("support"), kept.of("Support"), kept.of("other"))


minutes = st.integers(0, 1440)
days = st.lists(minutes, max_size=6, unique=True).map(sorted).map(
    lambda m: tuple((a * 60, b * 60) for a, b in zip(m[::2], m[1::2], strict=False))
)  # fmt: skip
zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])
calendars = st.builds(
    lambda week, zone: Calendar("any", ZoneInfo(zone), tuple(week)), st.lists(days, min_size=7, max_size=7), zones
)
# around the nights when clocks change in 2026, and elsewhere
instants = st.one_of(
    st.integers(0, 30 * 1440).map(lambda m: at("2026-03-15") + m * 60),
    st.integers(0, 30 * 1440).map(lambda m: at("2026-10-15") + m * 60),
)


def open_by_the_wall(one: Calendar, instant: float) -> bool:
    """The definition itself: the wall's clock shows a time within the weekday's hours."""
    shown = dt.datetime.fromtimestamp(instant, one.zone)
    second = shown.hour * 3600 + shown.minute * 60 + shown.second
    return any(opens <= second < closes for opens, closes in one.week[shown.weekday()])


@given(calendars, instants, st.integers(0, 3 * 1440))
def test_equals_counting_minutes_by_the_wall_clock(one: Calendar, start: float, length: int) -> None:
    """Business seconds are what somebody counts who looks at the wall's clock every minute."""
    counted = 60.0 * sum(open_by_the_wall(one, start + 60 * n) for n in range(length))

    assert counted == one.seconds_between(start, start + 60 * length)


@given(calendars, instants, instants, instants)
def test_spans_add_up(one: Calendar, a: float, b: float, c: float) -> None:
    """From a to b and from b to c make from a to c, in whatever order they lie."""
    assert one.seconds_between(a, c) == one.seconds_between(a, b) + one.seconds_between(b, c)


@given(calendars, instants, st.integers(1, 60 * 60))
def test_after_is_the_inverse_of_between(one: Calendar, start: float, minutes_open: int) -> None:
    """After N open seconds exactly N have passed, and a moment before fewer."""
    end = one.after(start, minutes_open * 60.0)
    if end == NEVER:
        assert not any(one.week)
        return
    assert minutes_open * 60.0 == one.seconds_between(start, end)
    assert minutes_open * 60.0 > one.seconds_between(start, end - 1)


@given(calendars, instants)
def test_two_neighbouring_days_meet(one: Calendar, instant: float) -> None:
    """Always open is a plain clock, also where one UTC day becomes the next."""
    assert 2 * DAY == ALWAYS.seconds_between(instant, instant + 2 * DAY)
    assert 0.0 <= one.seconds_between(instant, instant + DAY) <= DAY

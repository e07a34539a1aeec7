"""Schedules mean what crontab(5) says."""

import datetime as dt
import queue
from zoneinfo import ZoneInfo

import pytest

from redmine_mailbridge.business_time.crontab import crontab
from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.tasks.service.schedule import Scheduler

MONDAY = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("*", {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}),
        ("0", {"Sun"}),
        ("7", {"Sun"}),
        ("1", {"Mon"}),
        ("1-5", {"Mon", "Tue", "Wed", "Thu", "Fri"}),
        ("mon-fri", {"Mon", "Tue", "Wed", "Thu", "Fri"}),
        ("5-7", {"Fri", "Sat", "Sun"}),
        ("6-1", {"Sat", "Sun", "Mon"}),
        ("1,3,sun", {"Mon", "Wed", "Sun"}),
        ("1-5/2", {"Mon", "Wed", "Fri"}),
        ("*/3", {"Sun", "Wed", "Sat"}),
    ],
)
def test_days_of_the_week_are_those_of_crontab(field: str, days: set[str]) -> None:
    """0 and 7 are Sunday, 1 is Monday, ranges may go over the weekend."""
    trigger = crontab(f"0 9 * * {field}")
    found, moment = set(), MONDAY
    for _ in range(8):
        moment = trigger.get_next_fire_time(moment, moment)
        found.add(moment.strftime("%a"))
        moment += dt.timedelta(minutes=1)
    assert days == found


@pytest.mark.fault("L1")
@pytest.mark.parametrize(
    ("fields", "days"),
    [
        (
            "1,15 * fri",
            [1, 2, 9, 15, 16, 23, 30],
        ),  # fields of day, month and day of the week; 2 January 2026 is a Friday
        ("13 1 5", [2, 9, 13, 16, 23, 30]),
        ("1-31/10 * 0", [1, 4, 11, 18, 21, 25, 31]),
    ],
)
@pytest.mark.parametrize("hour", ["9", "*/12"])
def test_two_fields_of_days_mean_either(fields: str, days: list[int], hour: str) -> None:
    """Where both the day and the day of the week are restricted, a line fires on the days of either."""
    found = fires(f"0 {hour} {fields}", "Europe/Berlin", "2026-01-01", 31 * 24)
    assert days == list(dict.fromkeys(int(one[:2]) for one in found))


@pytest.mark.parametrize(("fields", "days"), [("*/2 * mon", [5, 19]), ("12 * *", [12]), ("* * mon", [5, 12, 19, 26])])
def test_a_field_that_begins_with_a_star_restricts_the_other(fields: str, days: list[int]) -> None:
    """Where one of them begins with a star, both must fit (crontab(5))."""
    found = fires(f"0 9 {fields}", "Europe/Berlin", "2026-01-01", 31 * 24)
    assert days == [int(one[:2]) for one in found]


@pytest.mark.parametrize("wrong", ["* * * *", "61 * * * *", "* * * * 8", "* * * * someday", ""])
def test_what_is_no_crontab_is_named(wrong: str) -> None:
    """A wrong expression is refused with the expression in the text."""
    with pytest.raises(SettingsError, match="cron = "):
        crontab(wrong)


def test_a_task_runs_at_once_and_is_shown_with_its_next_time() -> None:
    """The first run of an interval is now; the next is known."""
    ran: queue.SimpleQueue[str] = queue.SimpleQueue()
    scheduler = Scheduler()
    scheduler.every("receive", dt.timedelta(minutes=5), lambda: ran.put("receive"))
    scheduler.now(lambda: ran.put("soon"))
    scheduler.start()
    try:
        assert {"receive", "soon"} == {ran.get(timeout=10), ran.get(timeout=10)}
        upcoming = scheduler.next_run("receive")
        assert upcoming is not None
        assert upcoming > dt.datetime.now(dt.UTC) + dt.timedelta(minutes=4)
        scheduler.cancel("receive")
        assert scheduler.next_run("receive") is None
    finally:
        scheduler.stop()


def fires(expression: str, zone: str, day: str, hours: int) -> list[str]:
    """The times of a crontab line from midnight of a day on, in local time."""
    place = ZoneInfo(zone)
    start = dt.datetime.fromisoformat(day).replace(tzinfo=place).astimezone(dt.UTC)
    trigger, found = crontab(expression, place), []
    before = start - dt.timedelta(hours=20)
    moment = trigger.get_next_fire_time(None, before)
    while moment < start:
        moment = trigger.get_next_fire_time(moment, moment)
    while moment is not None and moment < start + dt.timedelta(hours=hours):
        found.append(f"{moment.astimezone(dt.UTC).astimezone(place):%d %H:%M}")
        moment = trigger.get_next_fire_time(moment, moment)
    return found


@pytest.mark.parametrize(
    ("zone", "spring", "autumn", "clock"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-10-25", ("30 2 * * *", "02:30", "03:30")),
        ("America/New_York", "2026-03-08", "2026-11-01", ("30 1,2 * * *", "01:30", "03:30")),
    ],
)
def test_a_night_of_changed_clocks_runs_neither_twice_nor_never(
    zone: str, spring: str, autumn: str, clock: tuple[str, str, str]
) -> None:
    """A time that clocks skip is made up for right after; one that they bring twice runs once."""
    line, regular, moved = clock
    assert moved == fires(line, zone, spring, 23)[-1][3:]
    assert [regular] == [time[3:] for time in fires(line, zone, autumn, 24) if time[3:] == regular]


def test_what_runs_all_day_goes_on_while_clocks_change() -> None:
    """Every half hour is every half hour, also in the hour that comes twice: 50 runs in 25 hours."""
    assert 50 == len(fires("*/30 * * * *", "Europe/Berlin", "2026-10-25", 25))
    assert 46 == len(fires("*/30 * * * *", "Europe/Berlin", "2026-03-29", 23))

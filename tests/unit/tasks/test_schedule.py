"""Schedules mean what crontab(5) says."""

import datetime as dt
import queue

import pytest

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.tasks.schedule import Scheduler, crontab

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
    scheduler.once("soon", dt.datetime.now(dt.UTC), lambda: ran.put("soon"))
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

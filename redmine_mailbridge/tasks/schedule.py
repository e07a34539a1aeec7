"""When tasks run: APScheduler behind a small face, so that its traps stay in one file.

Its traps: crontab's day of the week counts from Monday there (here 0 and 7 are Sunday, as everywhere else); a
run that is late by more than a second is skipped by default (here never); jobs are not shared between processes
(here they are kept in memory, and the store's lock decides who runs them).
"""

import datetime as dt
import re
from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

from redmine_mailbridge.errors import SettingsError

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Scheduler:
    """Runs named tasks in threads of its own. A task never runs beside itself; late runs are made up for once."""

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            timezone=dt.UTC,
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

    def start(self) -> None:
        """Begin to run tasks."""
        self._scheduler.start()

    def stop(self) -> None:
        """Start nothing more. Does not wait for a task that runs: it must watch its own stop sign."""
        self._scheduler.shutdown(wait=False)

    def every(self, name: str, span: dt.timedelta, run: Callable[[], None], *, first: bool = True) -> None:
        """Run a task in equal intervals, the first time at once. Takes the place of the task's earlier schedule."""
        now = dt.datetime.now(dt.UTC)
        self._scheduler.add_job(
            run,
            IntervalTrigger(seconds=span.total_seconds(), timezone=dt.UTC),
            id=name,
            replace_existing=True,
            next_run_time=now if first else now + span,
        )

    def cron(self, name: str, expression: str, run: Callable[[], None]) -> None:
        """Run a task by a crontab expression in the machine's time zone. Raise SettingsError when it is none."""
        self._scheduler.add_job(run, crontab(expression), id=name, replace_existing=True)

    def once(self, name: str, at: dt.datetime, run: Callable[[], None]) -> None:
        """Run a task once at a time (at once when that has passed). Takes the place of an earlier such wish."""
        self._scheduler.add_job(run, DateTrigger(at), id=name, replace_existing=True)

    def cancel(self, name: str) -> None:
        """Run it no more."""
        if self._scheduler.get_job(name):
            self._scheduler.remove_job(name)

    def next_run(self, name: str) -> dt.datetime | None:
        """When the task runs next; None when it does not."""
        job = self._scheduler.get_job(name)
        return job.next_run_time if job else None


def crontab(expression: str) -> CronTrigger:
    """Given a crontab expression of five fields, return its trigger, with 0 and 7 as Sunday (crontab(5)).

    Raise SettingsError when it is none.
    """
    fields = expression.split()
    if len(fields) != 5:
        raise SettingsError(f'cron = "{expression}": five fields are needed, e.g. "*/15 8-18 * * mon-fri"')
    minute, hour, day, month, weekday = fields
    try:
        return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday))
    except ValueError as error:
        raise SettingsError(f'cron = "{expression}": {error}') from error


def _weekdays(field: str) -> str:
    """Given crontab's day-of-week field, return the same with names in place of numbers."""
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
    raise ValueError(f'"{word}" is no day of the week: 0 to 7 (0 and 7 are Sunday) or mon to sun')

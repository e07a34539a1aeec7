"""When tasks run: APScheduler behind a small face, so that its traps stay in one file.

Its traps: crontab's day of the week counts from Monday there (here 0 and 7 are Sunday, as everywhere else); a
run that is late by more than a second is skipped by default (here never); where clocks are set back, a time of the
repeated hour comes twice (here once, unless the hour is `*`: what runs all day goes on doing so); jobs are not
shared between processes (here they are kept in memory, and the store's lock decides who runs them).
"""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger
from tzlocal import get_localzone

from redmine_mailbridge.errors import SettingsError

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
CHANGE_AT_MOST = dt.timedelta(hours=3)
"""Further than this no clock is set forward or back."""
Overlap = Callable[[str, dt.datetime], None]


class _Executor(ThreadPoolExecutor):  # type: ignore[misc]  # apscheduler has no types
    """The pool that runs tasks; it notes for which time each run was planned."""

    def __init__(self) -> None:
        super().__init__(max_workers=20)
        self.planned: dict[str, dt.datetime] = {}

    def _do_submit_job(self, job: Any, run_times: Sequence[dt.datetime]) -> None:
        self.planned[job.id] = run_times[-1]
        super()._do_submit_job(job, run_times)


class Scheduler:
    """Runs named tasks in threads of its own. A task never runs beside itself; late runs are made up for once.

    `on_overlap` is told the name and the planned time of a run that is left out, the one before it still going on.
    """

    def __init__(self, on_overlap: Overlap = lambda _name, _at: None) -> None:
        self._executor = _Executor()
        self._scheduler = BackgroundScheduler(
            timezone=dt.UTC,
            executors={"default": self._executor},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )

        def left_out(event: JobSubmissionEvent) -> None:
            on_overlap(event.job_id, event.scheduled_run_times[-1])

        self._scheduler.add_listener(left_out, EVENT_JOB_MAX_INSTANCES)

    def start(self) -> None:
        """Begin to run tasks."""
        self._scheduler.start()

    def stop(self) -> None:
        """Start nothing more. Does not wait for a task that runs: it must watch its own stop sign."""
        self._scheduler.shutdown(wait=False)

    def every(
        self, name: str, span: dt.timedelta, run: Callable[[], None], *, first_at: dt.datetime | None = None
    ) -> None:
        """Run a task in equal intervals, the first time at once or at that time. Replaces its earlier schedule."""
        self._scheduler.add_job(
            run,
            IntervalTrigger(seconds=span.total_seconds(), timezone=dt.UTC),
            id=name,
            replace_existing=True,
            next_run_time=first_at or dt.datetime.now(dt.UTC),
        )

    def cron(
        self,
        name: str,
        expression: str,
        run: Callable[[], None],
        *,
        zone: ZoneInfo | None = None,
        first_at: dt.datetime | None = None,
    ) -> None:
        """Run a task by a crontab expression in a time zone (None: the machine's), the first time perhaps at another.

        Raise SettingsError when it is none.
        """
        first = {"next_run_time": first_at} if first_at else {}
        self._scheduler.add_job(run, crontab(expression, zone), id=name, replace_existing=True, **first)

    def now(self, run: Callable[[], None]) -> None:
        """Run something once, at once, beside whatever runs: it keeps its own order."""
        self._scheduler.add_job(run, DateTrigger(dt.datetime.now(dt.UTC)))

    def cancel(self, name: str) -> None:
        """Run it no more."""
        if self._scheduler.get_job(name):
            self._scheduler.remove_job(name)

    def next_run(self, name: str) -> dt.datetime | None:
        """When the task runs next; None when it does not."""
        job = self._scheduler.get_job(name)
        return job.next_run_time if job else None

    def planned(self, name: str) -> dt.datetime | None:
        """Given a task that runs now, return the time that its run was planned for."""
        return self._executor.planned.get(name)


class Crontab(BaseTrigger):  # type: ignore[misc]  # apscheduler has no types
    """The times of a crontab line with fixed hours, by the clock on the wall.

    A time that clocks bring twice counts once, the first time; one that they skip is made up for as much later as
    they were moved.
    """

    def __init__(self, wall: CronTrigger, zone: ZoneInfo) -> None:
        self._wall = wall  # reckons in UTC, as if clocks were never changed
        self._zone = zone

    def get_next_fire_time(self, previous_fire_time: dt.datetime | None, now: dt.datetime) -> dt.datetime | None:
        """The first time after the previous one, not before now; None when there is none."""
        begin = max(now, previous_fire_time or now).astimezone(self._zone)
        at: dt.datetime | None = begin.replace(tzinfo=dt.UTC) - CHANGE_AT_MOST
        while at is not None:
            at = self._wall.get_next_fire_time(None, at)
            if at is None:
                break
            found = at.replace(tzinfo=self._zone).astimezone(dt.UTC)
            if found >= now and (previous_fire_time is None or found > previous_fire_time):
                return found.astimezone(self._zone)
            at += dt.timedelta(seconds=1)
        return None


def crontab(expression: str, zone: ZoneInfo | None = None) -> BaseTrigger:
    """Given a crontab expression of five fields, return its trigger, with 0 and 7 as Sunday (crontab(5)).

    Raise SettingsError when it is none.
    """
    fields = expression.split()
    if len(fields) != 5:
        raise SettingsError(f'cron = "{expression}": five fields are needed, e.g. "*/15 8-18 * * mon-fri"')
    minute, hour, day, month, weekday = fields
    try:
        days = _weekdays(weekday)
        place = zone or get_localzone()
        reckoned = place if hour.startswith("*") else dt.UTC
        cron = CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=days, timezone=reckoned)
    except ValueError as error:
        raise SettingsError(f'cron = "{expression}": {error}') from error
    return cron if hour.startswith("*") else Crontab(cron, place)


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

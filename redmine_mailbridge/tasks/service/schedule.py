"""Schedules tasks: at equal intervals of the monotonic clock, or by a crontab line on the wall clock.

Only crontab lines and requested times use the wall clock. When it is set forward, runs that became due in between are
made once. When it is set back, the next run is recalculated by the rule of cron(8): a line with fixed hours does not
run a second time after a change of less than three hours.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog

from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.error_boundary import Enduring, where
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from apscheduler.triggers import base as triggers

    from redmine_mailbridge.business_time import crontab
else:  # APScheduler is slow to load, and only crontab lines need it
    triggers = lazy_import("apscheduler.triggers.base")
    crontab = lazy_import("redmine_mailbridge.business_time.crontab")

log = structlog.get_logger(__name__)

MOVED = 2.0
"""A jump of the wall clock by at least this many seconds counts as a change; less is normal clock adjustment."""
LOOK_EVERY = 1.0
"""Maximum seconds between two readings of the wall clock."""


def utc_now() -> dt.datetime:
    """The wall clock."""
    return dt.datetime.now(dt.UTC)


@dataclass(slots=True)
class _Job:
    """The schedule of a task. `due` is on the monotonic clock; `at` is the next run on the wall clock, if it has one.

    `every` (seconds) or `trigger` is set; with neither, the task runs once. `asked`: `at` was requested, not
    calculated. `last` is the wall-clock time at which the task was last due.
    """

    run: Callable[[], None]
    every: float | None = None
    trigger: "triggers.BaseTrigger | None" = None
    due: float | None = None
    at: dt.datetime | None = None
    asked: bool = False
    last: dt.datetime | None = None

    def planned(self, now: float, wall: dt.datetime) -> dt.datetime | None:
        """The wall-clock time of the next run; None when there is none."""
        if self.due is not None:
            return wall + dt.timedelta(seconds=self.due - now)
        return self.at

    def rest(self, now: float, wall: dt.datetime) -> float | None:
        """The seconds until the next run; None when there is none."""
        if self.due is not None:
            return self.due - now
        return (self.at - wall).total_seconds() if self.at is not None else None

    def go_on(self, now: float, wall: dt.datetime) -> None:
        """The task is due: calculate the next run. Several missed runs are made up for by one."""
        self.last, self.asked = self.planned(now, wall), False
        if self.trigger is not None:
            begin = max(wall, self.at or wall) + dt.timedelta(microseconds=1)
            self.due, self.at = None, self.trigger.get_next_fire_time(None, begin)
        elif self.every is not None:
            missed = int((now - self.due) / self.every) if self.due is not None else 0
            self.due, self.at = (now if self.due is None else self.due) + (missed + 1) * self.every, None
        else:
            self.due = self.at = None

    def clock_set_back(self, wall: dt.datetime, by: dt.timedelta) -> None:
        """The wall clock was set back: recalculate the next run of a crontab line."""
        if self.trigger is not None and not self.asked:
            self.at = self.trigger.get_next_fire_time(self.last if by < crontab.CHANGE_AT_MOST else None, wall)


class Scheduler:
    """Runs named tasks, each in its own thread, so that a task that hangs does not block the others.

    Runs of one task never overlap; missed runs are made up for by one. `on_overlap` is called with the name and the
    planned time of a run that is skipped because the previous one has not finished. `clock` is the monotonic clock,
    `wall` the wall clock.
    """

    def __init__(
        self,
        on_overlap: Callable[[str, dt.datetime], None] = lambda _name, _at: None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._on_overlap = on_overlap
        self._clock = clock
        self._wall = wall
        self._ahead = wall().timestamp() - clock()
        self._jobs: dict[str, _Job] = {}
        self._running: dict[str, threading.Thread] = {}
        self._planned: dict[str, dt.datetime] = {}
        self._once = 0
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._news = threading.Event()
        self._thread = Enduring("schedule", self._loop, self._stop)

    def start(self) -> None:
        """Start running tasks."""
        self._thread.start()

    def stop(self) -> None:
        """Start no more runs. Does not wait for running tasks; each must check its own stop event."""
        self._stop.set()
        self._news.set()

    def wait(self, seconds: float | None = None) -> None:
        """After `stop`, wait up to `seconds` for each running task (None: without a limit)."""
        with self._lock:
            running = list(self._running.values())
        for thread in running:
            if thread is not threading.current_thread():
                thread.join(seconds)

    def every(
        self,
        name: str,
        span: dt.timedelta,
        run: Callable[[], None],
        *,
        first_at: dt.datetime | None = None,
        first_in: float = 0.0,
    ) -> None:
        """Run a task at equal intervals, first at the given time or after the given seconds. Replaces its previous
        schedule.
        """
        due = None if first_at else self._clock() + first_in
        self._put(name, _Job(run, span.total_seconds(), due=due, at=first_at))

    def cron(
        self,
        name: str,
        expression: str,
        run: Callable[[], None],
        *,
        zone: ZoneInfo | None = None,
        first_at: dt.datetime | None = None,
    ) -> None:
        """Run a task by a crontab expression in a time zone (None: the machine's), optionally first at a given time.

        Raise SettingsError if the expression is invalid.
        """
        trigger = crontab.crontab(expression, zone)
        at = first_at or trigger.get_next_fire_time(None, self._wall())
        self._put(name, _Job(run, trigger=trigger, at=at, asked=first_at is not None))

    def now(self, run: Callable[[], None]) -> None:
        """Run something once, immediately, in parallel to running tasks; it does its own locking."""
        with self._lock:
            self._once += 1
            name = f"once-{self._once}"
        self._put(name, _Job(run, due=self._clock()))

    def cancel(self, name: str) -> None:
        """Remove a task from the schedule."""
        with self._lock:
            self._jobs.pop(name, None)

    def next_run(self, name: str) -> dt.datetime | None:
        """The time of the task's next run; None when there is none."""
        with self._lock:
            job = self._jobs.get(name)
            return job.planned(self._clock(), self._wall()) if job else None

    def planned(self, name: str) -> dt.datetime | None:
        """Given a running task, return the time its run was planned for."""
        return self._planned.get(name)

    def turn(self) -> float:
        """Start the tasks that are due. Return the seconds until the next one, as far as is known."""
        left_out = []
        with self._lock:
            now, wall = self._clock(), self._wall()
            self._look_at_the_wall(now, wall)
            for name, job in list(self._jobs.items()):
                rest = job.rest(now, wall)
                if rest is None or rest > 0:
                    continue
                at = job.planned(now, wall) or wall
                job.go_on(now, wall)
                if job.due is None and job.at is None:
                    del self._jobs[name]
                if name in self._running:
                    left_out.append((name, at))
                else:
                    self._begin(name, job, at)
            seconds = [rest for job in self._jobs.values() if (rest := job.rest(now, wall)) is not None]
        for name, at in left_out:
            self._on_overlap(name, at)
        return max(min([LOOK_EVERY, *seconds]), 0.0)

    def _loop(self) -> None:
        while not self._stop.is_set():
            self._news.clear()
            self._news.wait(self.turn())

    def _put(self, name: str, job: _Job) -> None:
        with self._lock:
            self._jobs[name] = job
        self._news.set()

    def _look_at_the_wall(self, now: float, wall: dt.datetime) -> None:
        """React if the wall clock was set since the last check."""
        ahead = wall.timestamp() - now
        moved, self._ahead = ahead - self._ahead, ahead
        if abs(moved) < MOVED:
            return
        log.warning("schedule.clock_moved", seconds=round(moved), reason="set, or the machine was asleep")
        for job in self._jobs.values() if moved < 0 else ():
            job.clock_set_back(wall, dt.timedelta(seconds=-moved))

    def _begin(self, name: str, job: _Job, at: dt.datetime) -> None:
        def run() -> None:
            try:
                job.run()
            except Exception as error:  # noqa: BLE001 - the boundary of a task: other tasks and its next run are not affected
                log.error("task.fault", task=name, kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
            finally:
                with self._lock:
                    del self._running[name], self._planned[name]

        self._planned[name] = at
        thread = self._running[name] = threading.Thread(target=run, name=f"task-{name}", daemon=True)
        thread.start()

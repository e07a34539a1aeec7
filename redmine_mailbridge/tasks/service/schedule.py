"""When tasks run: in equal intervals by a clock that nobody can set, or by a crontab line on the clock on the wall.

Intervals are counted on the monotonic clock. Only a crontab line, and a time that was asked for, are read off the
clock on the wall; where that is set forward, what was due meanwhile runs once, and where it is set back, the next time
is reckoned anew, by the rule of cron(8): a line with fixed hours is not run a second time by a change of less than
three hours.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import structlog
from apscheduler.triggers.base import BaseTrigger

from redmine_mailbridge.business_time.crontab import CHANGE_AT_MOST, crontab
from redmine_mailbridge.util.error_boundary import Enduring, where

log = structlog.get_logger(__name__)

MOVED = 2.0
"""Seconds from which on the clock on the wall counts as set; less is how it is kept right."""
LOOK_EVERY = 1.0
"""Seconds after which the clock on the wall is looked at again, at the latest."""
Overlap = Callable[[str, dt.datetime], None]


def utc_now() -> dt.datetime:
    """The clock on the wall."""
    return dt.datetime.now(dt.UTC)


@dataclass(slots=True)
class _Job:
    """A task's times. `due` is on the monotonic clock; `at` is a time on the wall, where the next run has one.

    `every` in seconds, or `trigger`, or neither: it runs once. `asked`: somebody named `at`, it is not reckoned.
    `last` is the time on the wall at which it was last due.
    """

    run: Callable[[], None]
    every: float | None = None
    trigger: BaseTrigger | None = None
    due: float | None = None
    at: dt.datetime | None = None
    asked: bool = False
    last: dt.datetime | None = None

    def planned(self, now: float, wall: dt.datetime) -> dt.datetime | None:
        """The time on the wall of the next run; None when there is none."""
        if self.due is not None:
            return wall + dt.timedelta(seconds=self.due - now)
        return self.at

    def rest(self, now: float, wall: dt.datetime) -> float | None:
        """In how many seconds its time comes; None when it has none."""
        if self.due is not None:
            return self.due - now
        return (self.at - wall).total_seconds() if self.at is not None else None

    def go_on(self, now: float, wall: dt.datetime) -> None:
        """Its time has come: reckon the next one. Times that went by meanwhile are made up for by one run."""
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
        """The clock on the wall was set back: reckon the next time of a crontab line anew."""
        if self.trigger is not None and not self.asked:
            self.at = self.trigger.get_next_fire_time(self.last if by < CHANGE_AT_MOST else None, wall)


class Scheduler:
    """Runs named tasks, each in a thread of its own, so that one that hangs holds up no other.

    A task never runs beside itself; late runs are made up for once. `on_overlap` is told the name and the planned time
    of a run that is left out, the one before it still going on. `clock` gives seconds and cannot be set, `wall` the
    time of day.
    """

    def __init__(
        self,
        on_overlap: Overlap = lambda _name, _at: None,
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
        """Begin to run tasks."""
        self._thread.start()

    def stop(self) -> None:
        """Start nothing more. Does not wait for a task that runs: it must watch its own stop sign."""
        self._stop.set()
        self._news.set()

    def wait(self, seconds: float | None = None) -> None:
        """After `stop`, wait for the tasks that still run, each so long at most (None: for ever)."""
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
        """Run a task in equal intervals, the first time at that time, or in so many seconds. Replaces its earlier
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
        """Run a task by a crontab expression in a time zone (None: the machine's), the first time perhaps at another.

        Raise SettingsError when it is none.
        """
        trigger = crontab(expression, zone)
        at = first_at or trigger.get_next_fire_time(None, self._wall())
        self._put(name, _Job(run, trigger=trigger, at=at, asked=first_at is not None))

    def now(self, run: Callable[[], None]) -> None:
        """Run something once, at once, beside whatever runs: it keeps its own order."""
        with self._lock:
            self._once += 1
            name = f"once-{self._once}"
        self._put(name, _Job(run, due=self._clock()))

    def cancel(self, name: str) -> None:
        """Run it no more."""
        with self._lock:
            self._jobs.pop(name, None)

    def next_run(self, name: str) -> dt.datetime | None:
        """When the task runs next; None when it does not."""
        with self._lock:
            job = self._jobs.get(name)
            return job.planned(self._clock(), self._wall()) if job else None

    def planned(self, name: str) -> dt.datetime | None:
        """Given a task that runs now, return the time that its run was planned for."""
        return self._planned.get(name)

    def turn(self) -> float:
        """Start what is due. Return for how many seconds nothing more is, as far as is known."""
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
        """Was its clock set since the last look?"""
        ahead = wall.timestamp() - now
        moved, self._ahead = ahead - self._ahead, ahead
        if abs(moved) < MOVED:
            return
        log.warning("schedule.clock_moved", seconds=round(moved), reason="set, or the machine was asleep")
        for job in self._jobs.values() if moved < 0 else ():
            job.clock_set_back(wall, dt.timedelta(seconds=-moved))

    def _begin(self, name: str, job: _Job, at: dt.datetime) -> None:
        def one() -> None:
            try:
                job.run()
            except Exception as error:  # noqa: BLE001 - the border of a task: the others go on, and it has its next time
                log.error("task.fault", task=name, kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
            finally:
                with self._lock:
                    del self._running[name], self._planned[name]

        self._planned[name] = at
        thread = self._running[name] = threading.Thread(target=one, name=f"task-{name}", daemon=True)
        thread.start()

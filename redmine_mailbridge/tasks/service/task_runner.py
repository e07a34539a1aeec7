"""Keeps the schedule as the settings and the store say it, and records each run of a task.

What another process changes or asks for goes through the store: one look a second at one number.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from redmine_mailbridge.errors import MailbridgeError, StoreError
from redmine_mailbridge.model.task_result import StationResult
from redmine_mailbridge.store.task_state import TaskBook
from redmine_mailbridge.tasks.service.schedule import Scheduler
from redmine_mailbridge.tasks.service.task_status import TaskPlan
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)

LOOK_EVERY = dt.timedelta(seconds=1)
SAID_AGAIN = dt.timedelta(seconds=5)
"""By how much the time of a next run may be another than was said before it is said anew."""
Plans = Callable[[], Mapping[str, TaskPlan]]
InForce = Callable[[Mapping[str, TaskPlan], bool], None]


class TaskRunner:
    """Runs tasks when their time comes, or when somebody asks; a task never runs beside itself.

    `plans` tells what is in force now; `work` does one run of the task of that name, `by_hand` one that somebody asked
    for; `in_force` is told each new state: the plans, and whether the whole synchronisation is stopped.
    """

    def __init__(
        self,
        book: TaskBook,
        plans: Plans,
        work: Callable[[str], StationResult],
        in_force: InForce,
        stop: threading.Event,
        *,
        by_hand: Callable[[str], StationResult] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scheduler = Scheduler(self._left_out, clock=clock)
        self._book = book
        self._plans = plans
        self._work = work
        self._work_by_hand = by_hand or work
        self._in_force = in_force
        self._stop = stop
        self._clock = clock
        self._locks: dict[str, threading.Lock] = {}
        self._asked_for = set[str]()
        self._update_follows = False
        self._scheduled: dict[str, TaskPlan] = {}
        self._revision = -1
        self._began: dict[str, float] = {}
        self._said_next: dict[str, dt.datetime | None] = {}

    def start(self) -> None:
        """Begin. A store that cannot be read now is looked at again every second."""
        try:
            self._book.take_wishes()  # whoever asked has long stopped waiting
            self._apply()
        except StoreError as error:
            log.warning("tasks.store_away", reason=str(error))
        self.scheduler.every("look", LOOK_EVERY, self._look)
        self.scheduler.start()

    def stop(self) -> None:
        """Start nothing more."""
        self.scheduler.stop()

    def wait(self, seconds: float | None = None) -> None:
        """After `stop`, wait for the tasks that still run, each so long at most: they watch the stop sign."""
        self.scheduler.wait(seconds)

    def _look(self) -> None:
        """Has another process changed or asked for something? Was the clock set, so that the next times are others?"""
        try:
            if self._book.revision() != self._revision:
                self._apply()
                for name in self._book.take_wishes():
                    log.info("task.asked_for", task=name)
                    if name not in self._asked_for:  # else that run, which has not begun, is the answer
                        self._asked_for.add(name)
                        self.scheduler.now(partial(self._by_hand, name))
            for name in self._scheduled:
                said, at = self._said_next.get(name), self.scheduler.next_run(name)
                if (said is None) != (at is None) or (said and at and abs(at - said) > SAID_AGAIN):
                    self._say_next(name)
        except StoreError as error:
            log.warning("tasks.store_away", reason=str(error))

    def _apply(self) -> None:
        revision = self._book.revision()
        stopped, plans = self._book.stopped, self._plans()
        self._in_force(plans, stopped)
        wanted = {name: plan for name, plan in plans.items() if plan.active and not plan.follows and not stopped}
        for name in plans:
            self._locks.setdefault(name, threading.Lock())
            if wanted.get(name) != self._scheduled.get(name):
                self._schedule(name, wanted.get(name))
        self._scheduled, self._revision = wanted, revision

    def _schedule(self, name: str, plan: TaskPlan | None) -> None:
        if plan is None:
            self.scheduler.cancel(name)
        else:
            first_at = plan.next_run if plan.next_run and plan.next_run > dt.datetime.now(dt.UTC) else None
            if plan.cron is not None:
                self.scheduler.cron(name, plan.cron, partial(self._on_time, name), zone=plan.zone, first_at=first_at)
            elif plan.every is not None:
                first_in = self._after_the_last(name, plan.every)
                on_time = partial(self._on_time, name)
                self.scheduler.every(name, plan.every, on_time, first_at=first_at, first_in=first_in)
        self._say_next(name)

    def _after_the_last(self, name: str, every: dt.timedelta) -> float:
        """In how many seconds one interval after the last run of this service is over; 0 when it has not run yet."""
        if name not in self._began:
            return 0.0
        return max(self._began[name] + every.total_seconds() - self._clock(), 0.0)

    def _say_next(self, name: str) -> None:
        at = self.scheduler.next_run(name)
        self._book.plan_next(name, at.timestamp() if at else None)
        self._said_next[name] = at

    def _on_time(self, name: str) -> None:
        self.run(name, self.scheduler.planned(name))

    def _by_hand(self, name: str) -> None:
        self.run(name, None)

    def run(self, name: str, planned: dt.datetime | None) -> StationResult:
        """Run a task now, after a run of it that is going on. Return what it did; never raises.

        Who asks for mail by hand does not wait for a run on time: each mailbox keeps its own order.
        """
        receives = name.startswith("receive")
        try:
            if planned is None and receives:
                result = self._recorded(name, planned)
            else:
                with self._locks.setdefault(name, threading.Lock()):
                    result = self._recorded(name, planned)
            if planned is not None:
                self._book.next_run_came(name)
                self._say_next(name)
            if receives and not self._stop.is_set():
                self._follow(planned)
        except StoreError as error:
            log.warning("tasks.store_away", task=name, reason=str(error))
            result = StationResult(error=str(error))
        return result

    def _follow(self, planned: dt.datetime | None) -> None:
        """Mail was received: the update comes behind it, in a thread of its own, unless one is about to begin."""
        plan = self._plans()["update"]
        if plan.active and plan.follows and not self._update_follows:
            self._update_follows = True
            self.scheduler.now(lambda: self._run_update(planned))

    def _run_update(self, planned: dt.datetime | None) -> None:
        with self._locks.setdefault("update", threading.Lock()):
            self._update_follows = False
            try:
                self._recorded("update", planned)
            except StoreError as error:
                log.warning("tasks.store_away", task="update", reason=str(error))

    def _recorded(self, name: str, planned: dt.datetime | None) -> StationResult:
        asked_for = name in self._asked_for and planned is None
        if planned is None:
            self._asked_for.discard(name)
        if self._stop.is_set():
            return StationResult()
        self._began[name] = self._clock()
        run = self._book.begin(name, planned.timestamp() if planned else None)
        try:
            result = self._work_by_hand(name) if asked_for else self._work(name)
        except MailbridgeError as error:
            log.warning("task.interrupted", task=name, reason=str(error))
            result = StationResult(error=str(error))
        except Exception as error:  # noqa: BLE001 - the border of a task: it is tried again at its next time
            log.error("task.fault", task=name, kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
            result = StationResult(error=fault(error))
        self._book.end(run, done=result.done, failed=result.failed, error=result.error)
        return result

    def _left_out(self, name: str, planned: dt.datetime) -> None:
        if name not in self._locks:
            return
        log.warning("task.left_out", task=name, reason="the run before it is still going")
        try:
            self._book.skip(name, planned.timestamp(), "the run before it was still going")
        except StoreError as error:
            log.warning("tasks.store_away", task=name, reason=str(error))

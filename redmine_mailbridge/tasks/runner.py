"""Keeps the schedule as the settings and the store say it, and records each run of a task.

What another process changes or asks for goes through the store: one look a second at one number.
"""

import datetime as dt
import threading
import traceback
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from redmine_mailbridge.errors import MailbridgeError, StoreError
from redmine_mailbridge.store.tasks import TaskBook
from redmine_mailbridge.tasks.control import TaskPlan
from redmine_mailbridge.tasks.schedule import Scheduler
from redmine_mailbridge.tasks.update import StationResult

log = structlog.get_logger(__name__)

LOOK_EVERY = dt.timedelta(seconds=1)
Plans = Callable[[], Mapping[str, TaskPlan]]
InForce = Callable[[Mapping[str, TaskPlan], bool], None]


class TaskRunner:
    """Runs tasks when their time comes, or when somebody asks; a task never runs beside itself.

    `plans` tells what is in force now; `work` does one run of the task of that name; `in_force` is told each new
    state: the plans, and whether the whole synchronisation is stopped.
    """

    def __init__(
        self,
        book: TaskBook,
        plans: Plans,
        work: Callable[[str], StationResult],
        in_force: InForce,
        stop: threading.Event,
    ) -> None:
        self.scheduler = Scheduler(self._left_out)
        self._book = book
        self._plans = plans
        self._work = work
        self._in_force = in_force
        self._stop = stop
        self._locks: dict[str, threading.Lock] = {}
        self._asked_for = set[str]()
        self._scheduled: dict[str, TaskPlan] = {}
        self._revision = -1
        self._began = dt.datetime.now(dt.UTC)

    def start(self) -> None:
        """Begin. Raise StoreError when the store cannot be read."""
        self._book.take_wishes()  # whoever asked has long stopped waiting
        self._apply()
        self.scheduler.every("look", LOOK_EVERY, self._look)
        self.scheduler.start()

    def stop(self) -> None:
        """Start nothing more."""
        self.scheduler.stop()

    def _look(self) -> None:
        """Has another process changed or asked for something?"""
        try:
            if self._book.revision() != self._revision:
                self._apply()
                for name in self._book.take_wishes():
                    log.info("task.asked_for", task=name)
                    if name not in self._asked_for:  # else that run, which has not begun, is the answer
                        self._asked_for.add(name)
                        self.scheduler.now(partial(self._by_hand, name))
        except StoreError as error:
            log.warning("tasks.store_away", reason=str(error))

    def _apply(self) -> None:
        self._revision = self._book.revision()
        stopped, plans = self._book.stopped, self._plans()
        self._in_force(plans, stopped)
        wanted = {name: plan for name, plan in plans.items() if plan.active and not plan.follows and not stopped}
        for name in plans:
            self._locks.setdefault(name, threading.Lock())
            if wanted.get(name) != self._scheduled.get(name):
                self._schedule(name, wanted.get(name))
        self._scheduled = wanted

    def _schedule(self, name: str, plan: TaskPlan | None) -> None:
        if plan is None:
            self.scheduler.cancel(name)
        else:
            first_at = plan.next_run if plan.next_run and plan.next_run > dt.datetime.now(dt.UTC) else None
            if plan.cron is not None:
                self.scheduler.cron(name, plan.cron, partial(self._on_time, name), zone=plan.zone, first_at=first_at)
            elif plan.every is not None:
                first_at = first_at or self._after_the_last(name, plan.every)
                self.scheduler.every(name, plan.every, partial(self._on_time, name), first_at=first_at)
        self._say_next(name)

    def _after_the_last(self, name: str, every: dt.timedelta) -> dt.datetime | None:
        """One interval after the last run of this service; None, at once, when it has not run yet."""
        for run in self._book.runs(name, limit=1):
            began = dt.datetime.fromtimestamp(run.began_at, dt.UTC)
            if began > self._began:
                return max(began + every, dt.datetime.now(dt.UTC))
        return None

    def _say_next(self, name: str) -> None:
        at = self.scheduler.next_run(name)
        self._book.plan_next(name, at.timestamp() if at else None)

    def _on_time(self, name: str) -> None:
        self.run(name, self.scheduler.planned(name))

    def _by_hand(self, name: str) -> None:
        self.run(name, None)

    def run(self, name: str, planned: dt.datetime | None) -> StationResult:
        """Run a task now, after a run of it that is going on. Return what it did; never raises."""
        try:
            with self._locks.setdefault(name, threading.Lock()):  # a mailbox may be asked for that has no task
                result = self._recorded(name, planned)
            if planned is not None:
                self._book.next_run_came(name)
                self._say_next(name)
            if name.startswith("receive") and not self._stop.is_set():
                plans = self._plans()
                if plans["update"].active and plans["update"].follows:
                    self.run("update", planned)
        except StoreError as error:
            log.warning("tasks.store_away", task=name, reason=str(error))
            result = StationResult(error=str(error))
        return result

    def _recorded(self, name: str, planned: dt.datetime | None) -> StationResult:
        if planned is None:
            self._asked_for.discard(name)
        if self._stop.is_set():
            return StationResult()
        run = self._book.begin(name, planned.timestamp() if planned else None)
        try:
            result = self._work(name)
        except MailbridgeError as error:
            log.warning("task.interrupted", task=name, reason=str(error))
            result = StationResult(error=str(error))
        except Exception as error:  # noqa: BLE001 - the border of a task: it is tried again at its next time
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("task.fault", task=name, kind=type(error).__name__, where=where)  # noqa: TRY400 - no local values
            result = StationResult(error=f"a fault of the bridge ({type(error).__name__}), told in the log")
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

"""Schedules the tasks according to the settings and the store, and records each run.

Other processes change schedules and request runs through the store, which is polled once a second by one number.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial

import structlog

from redmine_mailbridge.errors import MailbridgeError, StoreError
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.tasks.service.schedule import Scheduler
from redmine_mailbridge.tasks.service.task_status import TaskSchedule
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)

LOOK_EVERY = dt.timedelta(seconds=1)
BETWEEN = "update in between"
BETWEEN_EVERY = dt.timedelta(seconds=30)
"""How long an update task without its own schedule leaves an agent's answer waiting when no mail arrives. An update
that finds nothing changed costs one request.
"""
SAID_AGAIN = dt.timedelta(seconds=5)
"""How much the time of a next run must differ from the published one to be published again."""
Plans = Callable[[], Mapping[str, TaskSchedule]]


class TaskRunner:
    """Runs tasks by their schedule or on request; runs of one task never overlap.

    `plans` returns the current schedules; `work` makes a scheduled run of the named task, `by_hand` a requested one;
    `in_force` is called with each new state: the schedules, and whether all tasks are stopped.
    """

    def __init__(
        self,
        book: TaskState,
        plans: Plans,
        work: Callable[[str], TaskStepResult],
        in_force: Callable[[Mapping[str, TaskSchedule], bool], None],
        stop: threading.Event,
        *,
        by_hand: Callable[[str], TaskStepResult] | None = None,
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
        self._in_between = False
        self._scheduled: dict[str, TaskSchedule] = {}
        self._revision = -1
        self._began: dict[str, float] = {}
        self._said_next: dict[str, dt.datetime | None] = {}

    def start(self) -> None:
        """Start. If the store cannot be read, retry every second."""
        try:
            self._book.take_requests()  # requests from before the start have timed out
            self._apply()
        except StoreError as error:
            log.warning("tasks.database_unavailable", reason=str(error))
        self.scheduler.every("look", LOOK_EVERY, self._look)
        self.scheduler.start()

    def stop(self) -> None:
        """Start no more runs."""
        self.scheduler.stop()

    def wait(self, seconds: float | None = None) -> None:
        """After `stop`, wait up to `seconds` for each running task; they check the stop event."""
        self.scheduler.wait(seconds)

    def _look(self) -> None:
        """Apply changes and requests of other processes, and publish next runs that changed with the clock."""
        try:
            if self._book.revision() != self._revision:
                self._apply()
                for name in self._book.take_requests():
                    log.info("task.requested", task=name)
                    if name not in self._asked_for:  # else the pending run satisfies the request
                        self._asked_for.add(name)
                        self.scheduler.now(partial(self._by_hand, name))
            for name in self._scheduled:
                announced, next_run = self._said_next.get(name), self.scheduler.next_run(name)
                if (announced is None) != (next_run is None) or (
                    announced and next_run and abs(next_run - announced) > SAID_AGAIN
                ):
                    self._say_next(name)
        except StoreError as error:
            log.warning("tasks.database_unavailable", reason=str(error))

    def _apply(self) -> None:
        revision = self._book.revision()
        stopped, plans = self._book.stopped, self._plans()
        self._in_force(plans, stopped)
        schedules = {
            name: plan for name, plan in plans.items() if plan.active and not plan.runs_after_receive and not stopped
        }
        for name in plans:
            self._locks.setdefault(name, threading.Lock())
            if schedules.get(name) != self._scheduled.get(name):
                self._schedule(name, schedules.get(name))
        self._scheduled, self._revision = schedules, revision
        update = plans.get("update")
        self._schedule_between(on=update is not None and update.active and update.runs_after_receive and not stopped)

    def _schedule_between(self, *, on: bool) -> None:
        """Also schedule an update that runs after each receive in between, so that agents' answers do not wait for
        incoming mail.
        """
        if on and not self._in_between:
            first_in = BETWEEN_EVERY.total_seconds()
            self.scheduler.every(BETWEEN, BETWEEN_EVERY, self._between, first_in=first_in)
        elif self._in_between and not on:
            self.scheduler.cancel(BETWEEN)
        self._in_between = on

    def _between(self) -> None:
        if self._after_the_last("update", BETWEEN_EVERY / 2) <= 0.0:
            self._follow(self.scheduler.planned(BETWEEN))

    def _schedule(self, name: str, plan: TaskSchedule | None) -> None:
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
        """The seconds until one interval after the last run in this service; 0 before the first run."""
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

    def run(self, name: str, planned: dt.datetime | None) -> TaskStepResult:
        """Run a task now, after a run of it in progress. Return its result; never raise.

        A requested receive does not wait for a scheduled one: each mailbox does its own locking.
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
            log.warning("tasks.database_unavailable", task=name, reason=str(error))
            result = TaskStepResult(error=str(error))
        return result

    def _follow(self, planned: dt.datetime | None) -> None:
        """Mail was received: run the update in its own thread, unless one is about to start."""
        plan = self._plans()["update"]
        if plan.active and plan.runs_after_receive and not self._update_follows:
            self._update_follows = True
            self.scheduler.now(lambda: self._run_update(planned))

    def _run_update(self, planned: dt.datetime | None) -> None:
        with self._locks.setdefault("update", threading.Lock()):
            self._update_follows = False
            try:
                self._recorded("update", planned)
            except StoreError as error:
                log.warning("tasks.database_unavailable", task="update", reason=str(error))

    def _recorded(self, name: str, planned: dt.datetime | None) -> TaskStepResult:
        asked_for = name in self._asked_for and planned is None
        if planned is None:
            self._asked_for.discard(name)
        if self._stop.is_set():
            return TaskStepResult()
        self._began[name] = self._clock()
        run = self._book.begin(name, planned.timestamp() if planned else None)
        try:
            result = self._work_by_hand(name) if asked_for else self._work(name)
        except MailbridgeError as error:
            log.warning("task.interrupted", task=name, reason=str(error))
            result = TaskStepResult(error=str(error))
        except Exception as error:  # noqa: BLE001 - the boundary of a task: the next run retries
            log.error("task.fault", task=name, kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
            result = TaskStepResult(error=fault(error))
        self._book.end(run, done=result.done, failed=result.failed, error=result.error)
        return result

    def _left_out(self, name: str, planned: dt.datetime) -> None:
        if name not in self._locks:
            return
        log.warning("task.skipped", task=name, reason="the run before it is still going")
        try:
            self._book.skip(name, planned.timestamp(), "the run before it was still going")
        except StoreError as error:
            log.warning("tasks.database_unavailable", task=name, reason=str(error))

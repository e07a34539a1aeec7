"""The service: one thread per mailbox that receives mail, then waits for the next trigger.

A trigger is the schedule, a notification of new mail from the server (IDLE), a deferred mail that is due, or an
admin's request. On a stop, the message being processed is finished and no other is started.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import replace
from functools import partial
from typing import Protocol

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.outgoing.outbox_sender import OutboxSender
from redmine_mailbridge.store.health import Health, of_mailbox
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.tasks.receive.held_replies import HeldReplies, ReplyHold
from redmine_mailbridge.tasks.receive.receiver import PassResult, Receiver, SharedResources
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.tasks.service.idle_watcher import IdleWatcher
from redmine_mailbridge.tasks.service.mailbox_thread import MailboxThread, ThreadEnded
from redmine_mailbridge.tasks.service.task_runner import Plans, TaskRunner
from redmine_mailbridge.tasks.service.task_status import TaskSchedule
from redmine_mailbridge.tasks.update.update import Updater, UpdateStep
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.error_boundary import fault

log = structlog.get_logger(__name__)

SEND_EVERY = dt.timedelta(seconds=5)
COPY_EVERY = dt.timedelta(minutes=1)
"""Copies of sent mail take a login of their own to the mailbox, of the six a minute that an account may see."""
PULSE_EVERY = dt.timedelta(seconds=5)
HANGS = 120.0
"""Seconds without a cycle of the scheduler after which it counts as hanging."""
PATIENCE = 30.0
"""Maximum seconds that a scheduled run waits for a mailbox's pass."""
CUT_AFTER = 10.0
"""Seconds after a stop in which a mail server may finish its response; then its connection is closed."""
END_WITHIN = 75.0
"""Maximum seconds from a stop to the end of the process: longer than a request to Redmine takes, shorter than the
stop timeout of systemd.
"""
Listener = Callable[[ProcessingResult], None]


class ServiceMonitor(Protocol):
    """What is called when the service starts and stops, and regularly in between: `health_monitor.py`."""

    def begin(self, threads: Sequence[MailboxThread]) -> None:
        """The service starts, with these mailboxes."""

    def once(self, threads: Sequence[MailboxThread]) -> None:
        """It runs."""

    def end(self) -> None:
        """It stops."""


@dataclass(frozen=True, slots=True)
class ServiceTasks:
    """The scheduled tasks of a service: their schedules, what each does, and the mailboxes that receive `together`.

    Mailboxes that are not in `together` have their own schedule.
    """

    book: TaskState
    plans: Plans
    steps: Sequence[UpdateStep]
    aggregate: Callable[[threading.Event], TaskStepResult]
    replies: ReplyHold
    together: Collection[str]


def receive_once(receivers: Sequence[Receiver], on_outcome: Listener = lambda _outcome: None) -> list[PassResult]:
    """Given receivers, make one pass with each in parallel. Return their results in the same order."""
    results: dict[int, PassResult] = {}

    def receive(number: int, receiver: Receiver) -> None:
        results[number] = PassResult(receiver.mailbox.name, error=f"mailbox {receiver.mailbox.name}: it was not read")
        results[number] = receiver.once(on_outcome)

    threads = [threading.Thread(target=receive, args=pair, name=pair[1].mailbox.name) for pair in enumerate(receivers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in sorted(results)]


def one_pass(
    receivers: Sequence[Receiver],
    shared: SharedResources,
    tasks: ServiceTasks,
    health: Health,
    *,
    update: bool,
    on_outcome: Listener,
) -> list[str]:
    """Receive once and, if requested and not paused, update once. Record the health of each mailbox and of
    Redmine. Return the errors, one line each.

    Without the update, replies are stored and wait for it.
    """
    plan = tasks.plans()["update"]
    with_update = update and plan.active
    tasks.replies.closed = not with_update
    if with_update:
        shared.store.release_replies()
    run = tasks.book.begin("receive", None)
    results = receive_once(receivers, on_outcome)
    _end(tasks.book, run, _waiting(received(results), shared))
    for mailbox_result in results:
        refused = mailbox_result.login_refused
        health.note(of_mailbox(mailbox_result.mailbox), mailbox_result.error, refused=refused)
    errors = [f"{result.mailbox}: {line}" for result in results for line in (result.error, result.paused) if line]
    if with_update and shared.breaker.closed_for == 0.0:
        run = tasks.book.begin("update", None)
        result = Updater(tasks.steps).once(shared.stop)
        _end(tasks.book, run, result)
        errors += [f"update: {result.error}"] if result.error else []
    shared.breaker.note_in(health)
    away = _away(shared)
    return [*errors, away] if away else errors


class Service:
    """The running service, from start to stop. `replies` is closed while replies wait for the update task."""

    def __init__(
        self,
        threads: Sequence[MailboxThread],
        shared: SharedResources,
        sending: OutboxSender,
        tasks: ServiceTasks,
        health_monitor: ServiceMonitor,
        *,
        watchers: Sequence[IdleWatcher] = (),
    ) -> None:
        self.threads = threads
        self._listeners = watchers
        self._shared = shared
        self._sending = sending
        self._tasks = tasks
        patient = partial(self.receive, patience=PATIENCE)
        self._updater = Updater((HeldReplies(shared.store, patient), *tasks.steps))
        self.runner = TaskRunner(
            tasks.book, tasks.plans, self._work, self._in_force, shared.stop, by_hand=self._work_by_hand
        )
        self._stopped = False
        self._health_monitor = health_monitor
        self._turned = time.monotonic()

    def turns(self) -> bool:
        """Whether the scheduler is still starting due tasks."""
        return time.monotonic() - self._turned < HANGS

    def _turn(self) -> None:
        self._turned = time.monotonic()

    def start(self, *, upkeep: Callable[[], object]) -> None:
        """Start the threads and the scheduler: the tasks at once and then by their schedule, upkeep once an hour."""
        _quietly(lambda: self._health_monitor.begin(self.threads))
        for thread in (*self.threads, *self._listeners):
            thread.start()
        self.runner.start()
        self.runner.scheduler.every("upkeep", dt.timedelta(hours=1), lambda: _quietly(upkeep))
        self.runner.scheduler.every(
            "pulse", PULSE_EVERY, lambda: _quietly(lambda: self._health_monitor.once(self.threads))
        )
        self.runner.scheduler.every("turn", PULSE_EVERY, self._turn)
        self.runner.scheduler.every("ask", PULSE_EVERY, self._shared.breaker.ask_when_due)
        self.runner.scheduler.every("send", SEND_EVERY, lambda: _quietly(self._send))
        self.runner.scheduler.every("copies", COPY_EVERY, lambda: _quietly(self._sending.save_copies))
        log.info("service.started", mailboxes=[thread.receiver.mailbox.name for thread in self.threads])

    def receive(self, mailboxes: Collection[str], *, patience: float | None = None) -> list[PassResult]:
        """Given the names of mailboxes, request a pass of each. Return the results of those that finish within
        `patience` seconds (None: all): a mailbox that is throttled or has very many mails finishes later, without
        delaying the others.
        """
        threads = [thread for thread in self.threads if set(thread.receiver.names) & set(mailboxes)]
        requests = [(thread.name_of_mailbox, thread.request()) for thread in threads]
        end = None if patience is None else time.monotonic() + patience
        unfinished = {future for _, future in requests}
        while unfinished and not self._shared.stop.is_set() and (end is None or time.monotonic() < end):
            unfinished = wait(unfinished, timeout=1.0 if end is None else min(end - time.monotonic(), 1.0)).not_done
        return [result for name, future in requests if (result := _result(name, future)) is not None]

    def _work(self, name: str) -> TaskStepResult:
        """Make a scheduled run of a task."""
        return self._run(name, PATIENCE)

    def _run(self, name: str, patience: float | None) -> TaskStepResult:
        """Make a run of a task that waits up to `patience` seconds for each mailbox."""
        if name == "update":
            return self._updater.once(self._shared.stop)
        if name == "aggregate":
            return self._tasks.aggregate(self._shared.stop)
        mailbox = name.partition(":")[2]
        results = self.receive([mailbox] if mailbox else self._tasks.together, patience=patience)
        return _waiting(received(results), self._shared)

    def _work_by_hand(self, name: str) -> TaskStepResult:
        """Make a requested run: check again whether Redmine is available and the settings fit, and wait for every
        mailbox.
        """
        self._shared.breaker.ask_anew()
        self._shared.settings_fitness.look_now()
        return self._run(name, None)

    def _in_force(self, plans: Mapping[str, TaskSchedule], stopped: bool) -> None:
        """Apply changed schedules: which mailboxes use IDLE, whether mail is sent, whether replies wait."""
        self._stopped = stopped
        self._tasks.replies.closed = not (plans["update"].active and plans["update"].runs_after_receive)
        for thread in self.threads:
            thread.enable(not stopped and plans["receive"].active)

    def _send(self) -> None:
        if not self._stopped:
            self._sending.once()

    def stop(self) -> None:
        """Finish the messages being processed, start no others, and wait for the threads.

        A slow or endless response of a server does not delay the stop: its connection is closed. A thread that does
        not end even then is abandoned; it checks for the stop before each message and so processes no more.
        """
        self._shared.stop.set()
        self.runner.stop()
        for mailbox in self.threads:
            mailbox.wake()
        for watcher in self._listeners:
            watcher.end()
        everyone: tuple[MailboxThread | IdleWatcher, ...] = (*self.threads, *self._listeners)
        end = time.monotonic() + END_WITHIN
        for thread in _still_at_work(everyone, time.monotonic() + CUT_AFTER):
            log.warning("service.connection_cut", thread=thread.name, reason="still waiting for its server")
            thread.cut()
        for thread in _still_at_work(everyone, end):
            log.error("service.thread_abandoned", thread=thread.name)
        self.runner.wait(max(end - time.monotonic(), 1.0))
        _quietly(self._health_monitor.end)
        log.info("service.stopped")


def _still_at_work(threads: Sequence[MailboxThread | IdleWatcher], until: float) -> list[MailboxThread | IdleWatcher]:
    """Given threads and a monotonic time, wait for the threads until then. Return those that have not ended."""
    for thread in threads:
        if thread.is_alive():
            thread.join(max(until - time.monotonic(), 0.0))
    return [thread for thread in threads if thread.is_alive()]


def _result(name: str, future: "Future[PassResult]") -> PassResult | None:
    """The result of a mailbox's pass; None while it is still running or when the service is stopping."""
    if not future.done() or isinstance(error := future.exception(), ThreadEnded):
        return None
    return future.result() if error is None else PassResult(name, error=f"mailbox {name}: {fault(error)}")


def received(results: Sequence[PassResult]) -> TaskStepResult:
    """Given the results of passes, return them as one result, with the first error and its mailbox."""
    errors = [f"{result.mailbox}: {result.error}" for result in results if result.error]
    return TaskStepResult(sum(result.seen for result in results), len(errors), errors[0] if errors else None)


def _away(shared: SharedResources) -> str | None:
    """One line if Redmine is unavailable and mail waits, else None."""
    return shared.breaker.why if shared.breaker.closed_for > 0.0 else None


def _waiting(result: TaskStepResult, shared: SharedResources) -> TaskStepResult:
    """Given a result without an error, return it with the error that Redmine is unavailable, if so."""
    return replace(result, error=result.error or _away(shared))


def _end(book: TaskState, run: int, result: TaskStepResult) -> None:
    book.end(run, done=result.done, failed=result.failed, error=result.error)


def _quietly(upkeep: Callable[[], object]) -> None:
    try:
        upkeep()
    except MailbridgeError as error:
        log.warning("upkeep.failed", reason=str(error))

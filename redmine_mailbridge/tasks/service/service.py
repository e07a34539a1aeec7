"""The service: a thread for each mailbox that receives, then listens until there is something to do.

Something to do is: the schedule says so, the server hints at new mail (IDLE), a deferred mail is due, or an admin
asks. A stop lets the mail in hand end, and starts no other.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import partial

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.model.task_result import StationResult
from redmine_mailbridge.outgoing.outbox_sender import Sending
from redmine_mailbridge.store.task_state import TaskBook
from redmine_mailbridge.tasks.receive.held_replies import Replies, ReplyGate
from redmine_mailbridge.tasks.receive.receiver import PassResult, Receiver, Shared
from redmine_mailbridge.tasks.receive.result import Outcome
from redmine_mailbridge.tasks.service.health_monitor import Pulse
from redmine_mailbridge.tasks.service.idle_watcher import FolderListener
from redmine_mailbridge.tasks.service.mailbox_thread import Gone, MailboxThread
from redmine_mailbridge.tasks.service.task_runner import Plans, TaskRunner
from redmine_mailbridge.tasks.service.task_status import TaskPlan
from redmine_mailbridge.tasks.update.update import Station, Updater
from redmine_mailbridge.util.error_boundary import fault

log = structlog.get_logger(__name__)

SEND_EVERY = dt.timedelta(seconds=5)
PULSE_EVERY = dt.timedelta(seconds=5)
HANGS = 120.0
"""Seconds without a turn of the schedule, after which it hangs."""
PATIENCE = 30.0
"""Seconds that a task on time waits for a mailbox's pass at most."""
CUT_AFTER = 10.0
"""Seconds after a stop in which a mail server may end what it says; then its connection is cut."""
END_WITHIN = 75.0
"""Seconds after a stop after which nobody is waited for: longer than a request to Redmine takes, and less than systemd
waits for us.
"""
Listener = Callable[[Outcome], None]


@dataclass(frozen=True, slots=True)
class Tasks:
    """The scheduled tasks of a service: what is in force, what each does, and who receives `together`.

    The mailboxes that are not among `together` have a schedule of their own.
    """

    book: TaskBook
    plans: Plans
    stations: Sequence[Station]
    aggregate: Callable[[threading.Event], StationResult]
    replies: ReplyGate
    together: Collection[str]


def receive_once(receivers: Sequence[Receiver], on_outcome: Listener = lambda _outcome: None) -> list[PassResult]:
    """Given receivers, make one pass with each, side by side. Return their results in the same order."""
    results: dict[int, PassResult] = {}

    def one(number: int, receiver: Receiver) -> None:
        results[number] = PassResult(receiver.mailbox.name, error=f"mailbox {receiver.mailbox.name}: it was not read")
        results[number] = receiver.once(on_outcome)

    threads = [threading.Thread(target=one, args=pair, name=pair[1].mailbox.name) for pair in enumerate(receivers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in sorted(results)]


def one_pass(
    receivers: Sequence[Receiver], shared: Shared, tasks: Tasks, *, update: bool, on_outcome: Listener
) -> list[str]:
    """Receive once and, if wanted and not paused, update once. Return what went wrong, one line each.

    Without the update, replies are kept and wait for it.
    """
    plan = tasks.plans()["update"]
    with_update = update and plan.active
    tasks.replies.closed = not with_update
    if with_update:
        shared.store.let_replies_through()
    run = tasks.book.begin("receive", None)
    results = receive_once(receivers, on_outcome)
    _end(tasks.book, run, _waiting(received(results), shared))
    errors = [f"{result.mailbox}: {line}" for result in results for line in (result.error, result.paused) if line]
    if with_update and shared.gate.closed_for == 0.0:
        run = tasks.book.begin("update", None)
        result = Updater(tasks.stations).once(shared.stop)
        _end(tasks.book, run, result)
        errors += [f"update: {result.error}"] if result.error else []
    away = _away(shared)
    return [*errors, away] if away else errors


class Service:
    """Everything that runs until it is told to stop. `replies` is closed while replies wait for the update task."""

    def __init__(
        self,
        threads: Sequence[MailboxThread],
        shared: Shared,
        sending: Sending,
        tasks: Tasks,
        pulse: Pulse,
        *,
        listeners: Sequence[FolderListener] = (),
    ) -> None:
        self.threads = threads
        self._listeners = listeners
        self._shared = shared
        self._sending = sending
        self._tasks = tasks
        patient = partial(self.receive, patience=PATIENCE)
        self._updater = Updater((Replies(shared.store, patient), *tasks.stations))
        self.runner = TaskRunner(
            tasks.book, tasks.plans, self._work, self._in_force, shared.stop, by_hand=self._work_by_hand
        )
        self._stopped = False
        self._pulse = pulse
        self._turned = time.monotonic()

    def turns(self) -> bool:
        """Does the schedule still begin what is due?"""
        return time.monotonic() - self._turned < HANGS

    def _turn(self) -> None:
        self._turned = time.monotonic()

    def start(self, *, upkeep: Callable[[], object]) -> None:
        """Start the threads and the schedule: the tasks at once and then as told, upkeep once an hour."""
        _quietly(lambda: self._pulse.begin(self.threads))
        for thread in (*self.threads, *self._listeners):
            thread.start()
        self.runner.start()
        self.runner.scheduler.every("upkeep", dt.timedelta(hours=1), lambda: _quietly(upkeep))
        self.runner.scheduler.every("pulse", PULSE_EVERY, lambda: _quietly(lambda: self._pulse.once(self.threads)))
        self.runner.scheduler.every("turn", PULSE_EVERY, self._turn)
        self.runner.scheduler.every("send", SEND_EVERY, lambda: _quietly(self._send))
        log.info("service.started", mailboxes=[thread.receiver.mailbox.name for thread in self.threads])

    def receive(self, mailboxes: Collection[str], *, patience: float | None = None) -> list[PassResult]:
        """Given mailboxes' names, have each make a pass now. Return what those did that end within `patience` seconds
        (None: all): one that is throttled, or brings in very many mails, goes on by itself and holds up nobody.
        """
        asked = [one for one in self.threads if set(one.receiver.names) & set(mailboxes)]
        wanted = [(one.name_of_mailbox, one.request()) for one in asked]
        end = None if patience is None else time.monotonic() + patience
        left = {future for _, future in wanted}
        while left and not self._shared.stop.is_set() and (end is None or time.monotonic() < end):
            left = wait(left, timeout=1.0 if end is None else min(end - time.monotonic(), 1.0)).not_done
        return [result for name, future in wanted if (result := _result(name, future)) is not None]

    def _work(self, name: str) -> StationResult:
        """One run of a task on its time."""
        return self._run(name, PATIENCE)

    def _run(self, name: str, patience: float | None) -> StationResult:
        """One run of a task that waits for each mailbox so long."""
        if name == "update":
            return self._updater.once(self._shared.stop)
        if name == "aggregate":
            return self._tasks.aggregate(self._shared.stop)
        mailbox = name.partition(":")[2]
        results = self.receive([mailbox] if mailbox else self._tasks.together, patience=patience)
        return _waiting(received(results), self._shared)

    def _work_by_hand(self, name: str) -> StationResult:
        """One run that somebody asked for: whether Redmine is away, or settings do not fit, is asked anew, and every
        mailbox is waited for.
        """
        self._shared.gate.ask_anew()
        self._shared.fitness.look_now()
        return self._run(name, None)

    def _in_force(self, plans: Mapping[str, TaskPlan], stopped: bool) -> None:
        """Follow what was changed: who listens, whether mail is sent, whether replies wait."""
        self._stopped = stopped
        self._tasks.replies.closed = not (plans["update"].active and plans["update"].follows)
        for thread in self.threads:
            thread.enable(not stopped and plans["receive"].active)

    def _send(self) -> None:
        if not self._stopped:
            self._sending.once()

    def stop(self) -> None:
        """Let the mail in hand end, start no other, wait for the threads.

        A server that drips, or talks without an end, does not hold that up: it loses its connection, and who does not
        end even then is left behind, and does nothing more (each watches the stop sign before it takes up a mail).
        """
        self._shared.stop.set()
        self.runner.stop()
        for mailbox in self.threads:
            mailbox.wake()
        for listener in self._listeners:
            listener.end()
        everyone: tuple[MailboxThread | FolderListener, ...] = (*self.threads, *self._listeners)
        end = time.monotonic() + END_WITHIN
        for thread in _still_at_work(everyone, time.monotonic() + CUT_AFTER):
            log.warning("service.cut", thread=thread.name, reason="its server is still being waited for")
            thread.cut()
        for thread in _still_at_work(everyone, end):
            log.error("service.left_behind", thread=thread.name)
        self.runner.wait(max(end - time.monotonic(), 1.0))
        _quietly(self._pulse.end)
        log.info("service.stopped")


def _still_at_work(
    threads: Sequence[MailboxThread | FolderListener], until: float
) -> list[MailboxThread | FolderListener]:
    """Given threads and a time (monotonic), wait for them so long at most. Return those that have not ended."""
    for thread in threads:
        if thread.is_alive():
            thread.join(max(until - time.monotonic(), 0.0))
    return [thread for thread in threads if thread.is_alive()]


def _result(name: str, future: "Future[PassResult]") -> PassResult | None:
    """What a mailbox's pass did; None when it still goes on, or the service ends."""
    if not future.done() or isinstance(error := future.exception(), Gone):
        return None
    return future.result() if error is None else PassResult(name, error=f"mailbox {name}: {fault(error)}")


def received(results: Sequence[PassResult]) -> StationResult:
    """Given the passes over mailboxes, return them as one result; the first error counts, with its mailbox."""
    errors = [f"{result.mailbox}: {result.error}" for result in results if result.error]
    return StationResult(sum(result.seen for result in results), len(errors), errors[0] if errors else None)


def _away(shared: Shared) -> str | None:
    """Is Redmine away, so that mails wait? One line, or None."""
    return shared.gate.why if shared.gate.closed_for > 0.0 else None


def _waiting(result: StationResult, shared: Shared) -> StationResult:
    """Given what a pass did, return it with the word that Redmine is away, when it says nothing worse."""
    return replace(result, error=result.error or _away(shared))


def _end(book: TaskBook, run: int, result: StationResult) -> None:
    book.end(run, done=result.done, failed=result.failed, error=result.error)


def _quietly(upkeep: Callable[[], object]) -> None:
    try:
        upkeep()
    except MailbridgeError as error:
        log.warning("upkeep.failed", reason=str(error))

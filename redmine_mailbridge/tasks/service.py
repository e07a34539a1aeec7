"""The service: a thread for each mailbox that receives, then listens until there is something to do.

Something to do is: the schedule says so, the server hints at new mail (IDLE), a deferred mail is due, or an admin
asks. A stop lets the mail in hand end, and starts no other.
"""

import contextlib
import datetime as dt
import queue
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import structlog

from redmine_mailbridge.errors import MailbridgeError, StoreError
from redmine_mailbridge.mailboxes.backoff import hint, jittered
from redmine_mailbridge.store.ask import Archive
from redmine_mailbridge.store.life import pause_after
from redmine_mailbridge.store.tasks import TaskBook
from redmine_mailbridge.tasks.control import TaskPlan
from redmine_mailbridge.tasks.listen import FolderListener
from redmine_mailbridge.tasks.outcome import Outcome
from redmine_mailbridge.tasks.pulse import Pulse
from redmine_mailbridge.tasks.receive import PassResult, Receiver, Shared
from redmine_mailbridge.tasks.replies import Replies, ReplyGate
from redmine_mailbridge.tasks.runner import Plans, TaskRunner
from redmine_mailbridge.tasks.send import Sending
from redmine_mailbridge.tasks.update import Station, StationResult, Updater

log = structlog.get_logger(__name__)

SEND_EVERY = dt.timedelta(seconds=5)
PULSE_EVERY = dt.timedelta(seconds=5)
Listener = Callable[[Outcome], None]


class Gone(Exception):
    """The thread that was asked has ended."""


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
    results = receive_once(receivers, on_outcome)
    errors = [f"{result.mailbox}: {result.error}" for result in results if result.error]
    if with_update and shared.gate.closed_for == 0.0:
        result = Updater(tasks.stations).once(shared.stop)
        errors += [f"update: {result.error}"] if result.error else []
    if shared.gate.closed_for > 0.0:
        errors.append(f"Redmine is away: {shared.gate.words}")
    return errors


class MailboxThread(threading.Thread):
    """Receives from one mailbox whenever it is woken, and wakes itself when the server hints at new mail."""

    def __init__(self, receiver: Receiver, shared: Shared, archive: Archive, *, listen: bool) -> None:
        super().__init__(name=f"mailbox-{receiver.mailbox.name}", daemon=True)
        self.receiver = receiver
        self._shared = shared
        self._archive = archive
        self._listen = listen
        self._wake = threading.Event()
        self._wanted: queue.SimpleQueue[Future[PassResult]] = queue.SimpleQueue()
        self._enabled = False
        self._failures = 0
        self.name_of_mailbox = receiver.mailbox.name
        self.error: str | None = None
        """The line that ended the last pass or the listening, None when it went well."""
        self.doing = ""
        """What it does now, in one phrase; "" before the first pass."""
        self.certificate_until: float | None = None

    def wake(self) -> None:
        """Have it look whether there is something to do."""
        self._wake.set()
        self.receiver.mailbox.interrupt()

    def request(self) -> "Future[PassResult]":
        """Have it make a pass soon, whatever it waits for. Return the pass's result to come, or Gone."""
        wanted: Future[PassResult] = Future()
        self._wanted.put(wanted)
        self.wake()
        if self._shared.stop.is_set() and not self.is_alive():
            self._take(Gone())
        return wanted

    def enable(self, on: bool) -> None:
        """Let it listen and make passes of its own accord, or only when asked."""
        if on != self._enabled:
            self._enabled = on
            self.doing = self.doing if on else "not active"
            self.wake()

    def run(self) -> None:
        """Pass, wait, pass, until the stop sign."""
        self._wake.wait()
        while not self._shared.stop.is_set():
            self._wake.clear()
            wanted = self._waiting()
            if wanted or self._enabled:
                self._pass(wanted)
            if not self._shared.stop.is_set():
                self._wait()
        self.receiver.mailbox.close()
        self._take(Gone())

    def _pass(self, wanted: "Sequence[Future[PassResult]]") -> None:
        self.doing = "receiving"
        result = self.receiver.once()
        for one in wanted:
            one.set_result(result)
        if result.error:
            self._failed(result.error)
        else:
            self._went_well()

    def _waiting(self) -> "list[Future[PassResult]]":
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._wanted.get_nowait())
        return found

    def _take(self, error: Exception) -> None:
        for one in self._waiting():
            one.set_exception(error)

    def _went_well(self) -> None:
        self._failures, self.error = 0, None
        if not self.receiver.reading.files_at_the_end:  # POP3 has ended its connection
            self._look_at_certificate()
        self.doing = "listening" if self._listen else "waiting"

    def _failed(self, said: str) -> None:
        """The connection is of no use: begin anew after a pause, and not before the server's own hint is over."""
        self._failures += 1
        self.error, self.doing = said, "waiting to try again"
        self.receiver.mailbox.close()
        asked = hint(said)
        if asked is not None:
            log.info("listen.asked_to_wait", mailbox=self.receiver.mailbox.name, seconds=round(asked))
            self._shared.stop.wait(asked)

    def _wait(self) -> None:
        """Until woken, a hint of the server, a mail that is due, or the end of the pause after a failure."""
        try:
            seconds = self._seconds_to_wait()
        except StoreError as error:
            log.warning("listen.store_away", mailbox=self.receiver.mailbox.name, reason=str(error))
            seconds = pause_after(1)
        if self._wake.is_set():
            return
        if not self._enabled:
            self._wake.wait()
            return
        if self._failures or not self._listen:
            self._wake.wait(seconds)
            return
        try:
            self.receiver.mailbox.wait(self.receiver.reading.folders[0], seconds)
        except MailbridgeError as error:
            log.warning("listen.interrupted", mailbox=self.receiver.mailbox.name, reason=str(error))
            self._failed(str(error))

    def _look_at_certificate(self) -> None:
        """The connection stands: until when is its certificate good?"""
        try:
            until = self.receiver.mailbox.connected().certificate_until
        except MailbridgeError:
            return
        self.certificate_until = until.timestamp() if until is not None else None

    def _seconds_to_wait(self) -> float:
        due = self._archive.next_due([self.receiver.mailbox.name])
        until_due = max(due - time.time(), self._shared.gate.closed_for, 0.2) if due is not None else 3600.0
        return min(until_due, jittered(pause_after(self._failures)) if self._failures else 3600.0)


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
        self._updater = Updater((Replies(shared.store, self.receive), *tasks.stations))
        self.runner = TaskRunner(tasks.book, tasks.plans, self._work, self._in_force, shared.stop)
        self._stopped = False
        self._pulse = pulse

    def start(self, *, upkeep: Callable[[], object]) -> None:
        """Start the threads and the schedule: the tasks at once and then as told, upkeep once an hour."""
        _quietly(lambda: self._pulse.begin(self.threads))
        for thread in (*self.threads, *self._listeners):
            thread.start()
        self.runner.start()
        self.runner.scheduler.every("upkeep", dt.timedelta(hours=1), lambda: _quietly(upkeep))
        self.runner.scheduler.every("pulse", PULSE_EVERY, lambda: _quietly(lambda: self._pulse.once(self.threads)))
        self.runner.scheduler.every("send", SEND_EVERY, lambda: _quietly(self._send))
        log.info("service.started", mailboxes=[thread.receiver.mailbox.name for thread in self.threads])

    def receive(self, mailboxes: Collection[str]) -> list[PassResult]:
        """Given mailboxes' names, have each make a pass now, and wait for their ends."""
        wanted = [thread.request() for thread in self.threads if thread.receiver.mailbox.name in mailboxes]
        return [one.result() for one in wanted if not isinstance(one.exception(), Gone)]

    def _work(self, name: str) -> StationResult:
        """One run of a task."""
        if name == "update":
            return self._updater.once(self._shared.stop)
        if name == "aggregate":
            return self._tasks.aggregate(self._shared.stop)
        mailbox = name.partition(":")[2]
        return received(self.receive([mailbox] if mailbox else self._tasks.together))

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
        """Let the mail in hand end, start no other, wait for the threads."""
        self._shared.stop.set()
        self.runner.stop()
        for thread in self.threads:
            thread.wake()
        for listener in self._listeners:
            listener.end()
        for thread in (*self.threads, *self._listeners):
            if thread.is_alive():
                thread.join()
        _quietly(self._pulse.end)
        log.info("service.stopped")


def received(results: Sequence[PassResult]) -> StationResult:
    """Given the passes over mailboxes, return them as one result; the first error counts, with its mailbox."""
    errors = [f"{result.mailbox}: {result.error}" for result in results if result.error]
    return StationResult(sum(result.seen for result in results), len(errors), errors[0] if errors else None)


def _quietly(upkeep: Callable[[], object]) -> None:
    try:
        upkeep()
    except MailbridgeError as error:
        log.warning("upkeep.failed", reason=str(error))

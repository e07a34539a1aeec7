"""The service: a thread for each mailbox that receives, then listens until there is something to do.

Something to do is: the schedule says so, the server hints at new mail (IDLE), a deferred mail is due, or an admin
asks. A stop lets the mail in hand end, and starts no other.
"""

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from redmine_mailbridge.errors import MailbridgeError, StoreError
from redmine_mailbridge.mailboxes.backoff import hint, jittered
from redmine_mailbridge.store.ask import Archive
from redmine_mailbridge.store.life import pause_after
from redmine_mailbridge.tasks.listen import FolderListener
from redmine_mailbridge.tasks.outcome import Outcome
from redmine_mailbridge.tasks.pulse import Pulse
from redmine_mailbridge.tasks.receive import PassResult, Receiver, Shared
from redmine_mailbridge.tasks.schedule import Scheduler
from redmine_mailbridge.tasks.send import Sending

log = structlog.get_logger(__name__)

SEND_EVERY = dt.timedelta(seconds=5)
PULSE_EVERY = dt.timedelta(seconds=5)
Listener = Callable[[Outcome], None]


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


class MailboxThread(threading.Thread):
    """Receives from one mailbox whenever it is woken, and wakes itself when the server hints at new mail."""

    def __init__(self, receiver: Receiver, shared: Shared, archive: Archive, *, listen: bool) -> None:
        super().__init__(name=f"mailbox-{receiver.mailbox.name}", daemon=True)
        self.receiver = receiver
        self._shared = shared
        self._archive = archive
        self._listen = listen
        self._wake = threading.Event()
        self._failures = 0
        self.name_of_mailbox = receiver.mailbox.name
        self.error: str | None = None
        """The line that ended the last pass or the listening, None when it went well."""
        self.doing = ""
        """What it does now, in one phrase; "" before the first pass."""
        self.certificate_until: float | None = None

    def wake(self) -> None:
        """Have it make a pass soon, whatever it waits for."""
        self._wake.set()
        self.receiver.mailbox.interrupt()

    def run(self) -> None:
        """Pass, wait, pass, until the stop sign."""
        self._wake.wait()
        while not self._shared.stop.is_set():
            self._wake.clear()
            self.doing = "receiving"
            result = self.receiver.once()
            if result.error:
                self._failed(result.error)
            else:
                self._went_well()
            if not self._shared.stop.is_set():
                self._wait()
        self.receiver.mailbox.close()

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
    """Everything that runs until it is told to stop."""

    def __init__(
        self,
        threads: Sequence[MailboxThread],
        shared: Shared,
        scheduler: Scheduler,
        sending: Sending,
        pulse: Pulse,
        *,
        listeners: Sequence[FolderListener] = (),
    ) -> None:
        self.threads = threads
        self._listeners = listeners
        self._shared = shared
        self.scheduler = scheduler
        self._sending = sending
        self._pulse = pulse

    def start(self, *, every: dt.timedelta | None, cron: str | None, upkeep: Callable[[], object]) -> None:
        """Start the threads and the schedule: receive at once and then as told, upkeep once an hour."""
        _quietly(lambda: self._pulse.begin(self.threads))
        for thread in (*self.threads, *self._listeners):
            thread.start()
        if cron is not None:
            self.scheduler.cron("receive", cron, self.wake)
        elif every is not None:
            self.scheduler.every("receive", every, self.wake)
        self.scheduler.every("upkeep", dt.timedelta(hours=1), lambda: _quietly(upkeep))
        self.scheduler.every("pulse", PULSE_EVERY, lambda: _quietly(lambda: self._pulse.once(self.threads)))
        self.scheduler.every("send", SEND_EVERY, lambda: _quietly(self._sending.once))
        self.scheduler.start()
        log.info("service.started", mailboxes=[thread.receiver.mailbox.name for thread in self.threads])

    def wake(self) -> None:
        """Have every mailbox make a pass soon."""
        for thread in self.threads:
            thread.wake()

    def stop(self) -> None:
        """Let the mail in hand end, start no other, wait for the threads."""
        self._shared.stop.set()
        self.scheduler.stop()
        self.wake()
        for listener in self._listeners:
            listener.end()
        for thread in (*self.threads, *self._listeners):
            if thread.is_alive():
                thread.join()
        _quietly(self._pulse.end)
        log.info("service.stopped")


def _quietly(upkeep: Callable[[], object]) -> None:
    try:
        upkeep()
    except MailbridgeError as error:
        log.warning("upkeep.failed", reason=str(error))

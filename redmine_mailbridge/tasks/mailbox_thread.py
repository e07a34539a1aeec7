"""The thread of one mailbox: receives, then listens until there is something to do.

Something to do is: somebody asks for a pass, the server hints at new mail (IDLE), or a deferred mail is due.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

import structlog

from redmine_mailbridge.errors import MailbridgeError, StoreError
from redmine_mailbridge.mailboxes.backoff import hint, jittered
from redmine_mailbridge.store.ask import Archive
from redmine_mailbridge.store.life import pause_after
from redmine_mailbridge.tasks.receive import PassResult, Receiver, Shared

log = structlog.get_logger(__name__)


class Gone(Exception):
    """The thread that was asked has ended."""


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
        self.tried = False
        """Has a pass come to its end yet, so that `error` is a verdict?"""
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
        why = "by the task receive" if wanted else "because the server spoke up, or a mail was due"
        result = self.receiver.once(why=why)
        self.tried = True
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

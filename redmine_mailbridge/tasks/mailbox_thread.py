"""The thread of one mailbox: receives, then listens until there is something to do.

Something to do is: somebody asks for a pass, the server hints at new mail (IDLE), or a deferred mail is due. What the
server does, and what it does not, makes the thread slower and never faster: see `pass_backoff.py`.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

import structlog

from redmine_mailbridge.errors import MailbridgeError, StoreError
from redmine_mailbridge.store.ask import Archive
from redmine_mailbridge.store.life import pause_after
from redmine_mailbridge.tasks.pass_backoff import Cause, PassBackoff, refused
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
        self._cause = Cause.AGAIN
        self._owed = False
        self.backoff = PassBackoff()
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
            if self.backoff.left_alone > 0.0:
                self._put_off(wanted)
            elif wanted or (self._enabled and self.backoff.pause == 0.0):
                self._pass(wanted)
            else:
                self._owed = self._enabled  # woken in a pause: the pass is made when that is over
            if not self._shared.stop.is_set():
                self._wait()
        self.receiver.mailbox.close()
        self._take(Gone())

    def _pass(self, wanted: "Sequence[Future[PassResult]]") -> None:
        self.doing = "receiving"
        why = "by the task receive" if wanted else "because the server spoke up, or a mail was due"
        cause = Cause.ASKED if wanted else self._cause
        self._cause, self._owed = Cause.HINT, False  # who wakes it from now on knows of news
        result = self.receiver.once(why=why)
        self.tried = True
        for one in wanted:
            one.set_result(result)
        if result.error:
            self._failed(result.error, found=result.found > 0, login_refused=result.login_refused)
        else:
            self.backoff.passed(cause, found=result.found > 0)
            self._went_well(next(iter(result.missing.values()), None))

    def _put_off(self, wanted: "Sequence[Future[PassResult]]") -> None:
        """The server asked to be left alone: whoever wants a pass is told so, and the server is not asked."""
        left = round(self.backoff.left_alone)
        for one in wanted:
            error = f"{self.error} (not tried again before {left} s are over)"
            one.set_result(PassResult(self.receiver.mailbox.name, error=error))

    def _waiting(self) -> "list[Future[PassResult]]":
        found = []
        with contextlib.suppress(queue.Empty):
            while True:
                found.append(self._wanted.get_nowait())
        return found

    def _take(self, error: Exception) -> None:
        for one in self._waiting():
            one.set_exception(error)

    def _went_well(self, missing: str | None) -> None:
        """The pass came to its end. `missing` is the line about a folder that is not there, while the others are."""
        self.error = missing
        if not self.receiver.reading.files_at_the_end:  # POP3 has ended its connection
            self._look_at_certificate()
        self.doing = "listening" if self._listen else "waiting"

    def _failed(self, said: str, *, found: bool = False, login_refused: bool = False) -> None:
        """The connection is of no use: begin anew after a pause, and not before the server's own hint is over."""
        self.error, self.doing = said, "waiting to try again"
        self.receiver.mailbox.close()
        self.backoff.failed(said, found=found, login_refused=login_refused)
        if self.backoff.left_alone:
            log.info("listen.asked_to_wait", mailbox=self.receiver.mailbox.name, seconds=round(self.backoff.left_alone))

    def _wait(self) -> None:
        """Until woken, a hint of the server, a mail that is due, or the end of a pause."""
        if not self._enabled:
            self._wake.wait()
            return
        pause = self.backoff.pause
        if pause > 0.0 and self._wake.wait(pause):
            return
        if self.backoff.failing or self._owed:
            self._cause = Cause.AGAIN if self.backoff.failing else Cause.HINT
            return
        try:
            seconds = self._seconds_until_due()
        except StoreError as error:
            log.warning("listen.store_away", mailbox=self.receiver.mailbox.name, reason=str(error))
            seconds = pause_after(1)
        if not self._listen:
            self._cause = Cause.HINT if self._wake.wait(seconds) else Cause.DUE
        elif not self._wake.is_set():
            self._listen_for(seconds)

    def _listen_for(self, seconds: float) -> None:
        """Given a time, wait for the server's hint so long; when that fails, pause before the next pass."""
        try:
            hinted = self.receiver.mailbox.wait(self.receiver.listened_to, seconds)
        except MailbridgeError as error:
            log.warning("listen.interrupted", mailbox=self.receiver.mailbox.name, reason=str(error))
            self._failed(str(error), login_refused=refused(error))
            return
        self._cause = Cause.HINT if hinted or self._wake.is_set() else Cause.DUE

    def _look_at_certificate(self) -> None:
        """The connection stands: until when is its certificate good?"""
        try:
            until = self.receiver.mailbox.connected().certificate_until
        except MailbridgeError:
            return
        self.certificate_until = until.timestamp() if until is not None else None

    def _seconds_until_due(self) -> float:
        due = self._archive.next_due(self.receiver.names[:1], others=self.receiver.names[1:])
        until_due = max(due - time.time(), self._shared.gate.closed_for, 0.2) if due is not None else 3600.0
        return max(until_due, self.backoff.due_pause)

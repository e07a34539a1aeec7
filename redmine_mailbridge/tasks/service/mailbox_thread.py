"""The thread of one mailbox: receives mail, then waits for the next trigger.

A trigger is a requested pass, a notification of new mail from the server (IDLE), or a deferred mail that is due. The
server's behaviour can only slow the thread down, never speed it up: see `tasks/receive/fetch/pass_backoff.py`.
"""

import contextlib
import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

import structlog

from redmine_mailbridge.errors import MailbridgeError, StoreError
from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.tasks.receive.fetch.pass_backoff import PassBackoff, PassTrigger, refused
from redmine_mailbridge.tasks.receive.receiver import PassResult, Receiver, SharedResources
from redmine_mailbridge.util.error_boundary import Enduring, fault

log = structlog.get_logger(__name__)

LONGEST_WAIT = 3600.0
"""Seconds after which a mailbox is read again, whether or not its server has sent a notification."""
OFFLINE_PAUSE = 5.0
"""Minimum seconds between two checks for due mail while the server is not contacted."""


class ThreadEnded(Exception):
    """A pass was requested from a thread that has ended."""


class MailboxThread(Enduring):
    """Receives from one mailbox when it is woken or when the server reports new mail."""

    def __init__(
        self, receiver: Receiver, shared: SharedResources, message_queries: MessageQueries, *, listen: bool
    ) -> None:
        super().__init__(f"mailbox-{receiver.mailbox.name}", self._receive_and_listen, shared.stop)
        self.receiver = receiver
        self._shared = shared
        self._message_queries = message_queries
        self._listen = listen
        self._wake = threading.Event()
        self._wanted: queue.SimpleQueue[Future[PassResult]] = queue.SimpleQueue()
        self._enabled = False
        self._cause = PassTrigger.AGAIN
        self._owed = False
        self.backoff = PassBackoff()
        self.name_of_mailbox = receiver.mailbox.name
        self.error: str | None = None
        """The error of the last pass or of IDLE; None after a success."""
        self.doing = ""
        """The current activity in one phrase; "" before the first pass."""
        self.tried = False
        """Whether a pass has finished, so that `error` is meaningful."""
        self.login_refused = False
        """Whether `error` is that the server does not accept the login."""
        self.read_at: float | None = None
        """When the last pass without an error ended, in epoch seconds."""

    def wake(self) -> None:
        """Wake the thread to check for work."""
        self._wake.set()
        self.receiver.mailbox.interrupt()

    def cut(self) -> None:
        """Make the thread stop waiting for its server."""
        self.receiver.mailbox.cut()

    def request(self) -> "Future[PassResult]":
        """Request a pass as soon as possible. Return a future of its result, or of ThreadEnded."""
        future: Future[PassResult] = Future()
        self._wanted.put(future)
        self.wake()
        if self._shared.stop.is_set() and not self.is_alive():
            self._take(ThreadEnded())
        return future

    def enable(self, on: bool) -> None:
        """Enable automatic passes and IDLE, or make passes only on request."""
        if on != self._enabled:
            self._enabled = on
            self.doing = self.doing if on else "not active"
            self.wake()

    def run(self) -> None:
        """Make passes and wait in between, until stopped."""
        self._wake.wait()
        try:
            super().run()
        finally:
            with contextlib.suppress(Exception):  # the connection is no longer used
                self.receiver.mailbox.close()
            self._take(ThreadEnded())

    def _receive_and_listen(self) -> None:
        while not self._shared.stop.is_set():
            self._wake.clear()
            requests = self._waiting()
            if self.backoff.left_alone > 0.0:
                self._settle(requests, self._without_the_server)
            elif requests or (self._enabled and self.backoff.pause == 0.0):
                self._settle(requests, partial(self._pass, asked=bool(requests)))
            else:
                self._owed = self._enabled  # woken during a pause: make the pass after the pause
            if not self._shared.stop.is_set():
                self._wait()

    def _fell(self, error: BaseException, pause: float) -> None:
        self.login_refused = False
        self.error, self.doing = f"mailbox {self.name_of_mailbox}: {fault(error)}", "waiting to try again"
        with contextlib.suppress(Exception):  # it is reopened for the next pass
            self.receiver.mailbox.close()
        super()._fell(error, pause)

    def _settle(self, requests: "Sequence[Future[PassResult]]", make: Callable[[], PassResult]) -> None:
        """Given the requests for a pass, make the pass and complete every request, whatever happens."""
        try:
            result = make()
        except BaseException as error:
            for request in requests:
                request.set_exception(error)
            raise
        # requests that came in while the pass was failing do not cause another attempt at once
        for request in (*requests, *(self._waiting() if result.error else ())):
            request.set_result(result)

    def _pass(self, *, asked: bool) -> PassResult:
        self.doing = "receiving"
        why = "requested by the receive task" if asked else "the server reported new mail, or a mail was due"
        cause = PassTrigger.ASKED if asked else self._cause
        self._cause, self._owed = PassTrigger.HINT, False  # later wake-ups report newer mail
        before = self.receiver.mailbox.commands
        result = self.receiver.once(why=why)
        commands = math.ceil((self.receiver.mailbox.commands - before) / len(self.receiver.reading.folders))
        self.tried = True
        if result.error:
            self._failed(
                result.error, did_work=result.handled > 0, login_refused=result.login_refused, commands=commands
            )
        else:
            self.backoff.passed(cause, did_work=result.handled > 0, commands=commands)
            self._went_well(next(iter(result.missing.values()), None))
        return result

    def _without_the_server(self) -> PassResult:
        """While the server is throttling, process the stored mail only and report the error to requests for a pass."""
        result = self.receiver.once(why="stored mail only: the server is throttling", server=False)
        remaining = round(self.backoff.left_alone)
        result.error = result.error or f"{self.error} (next attempt in {remaining} s at the earliest)"
        return result

    def _waiting(self) -> "list[Future[PassResult]]":
        requests = []
        with contextlib.suppress(queue.Empty):
            while True:
                requests.append(self._wanted.get_nowait())
        return requests

    def _take(self, error: Exception) -> None:
        for request in self._waiting():
            request.set_exception(error)

    def _went_well(self, missing: str | None) -> None:
        """The pass finished. `missing` is the error of one missing folder when the others exist."""
        self.error, self.login_refused, self.read_at = missing, False, self._shared.store.clock()
        self.doing = "listening" if self._listen else "waiting"

    def _failed(
        self, error_text: str, *, did_work: bool = False, login_refused: bool = False, commands: int = 0
    ) -> None:
        """The connection failed: reconnect after a pause that is at least as long as the server requested."""
        self.error, self.login_refused, self.doing = error_text, login_refused, "waiting to try again"
        self.receiver.mailbox.close()
        self.backoff.failed(error_text, did_work=did_work, login_refused=login_refused, commands=commands)
        if self.backoff.left_alone:
            log.info("listen.retry_later", mailbox=self.receiver.mailbox.name, seconds=round(self.backoff.left_alone))

    def _wait(self) -> None:
        """Wait until woken, notified by the server, a mail is due, or a pause ends."""
        if not self._enabled:
            self._wake.wait()
            return
        pause = self.backoff.pause
        if pause > 0.0 and self._wake.wait(min(pause, self._until_due_without_the_server())):
            return
        if self.backoff.failing or self._owed:
            self._cause = PassTrigger.AGAIN if self.backoff.failing else PassTrigger.HINT
            return
        seconds = max(self._seconds_until_due(), self.backoff.due_pause)
        if not self._listen:
            self._cause = PassTrigger.HINT if self._wake.wait(seconds) else PassTrigger.DUE
        elif not self._wake.is_set():
            self._listen_for(seconds)

    def _listen_for(self, seconds: float) -> None:
        """Wait up to this many seconds for a notification from the server; on an error, pause before the next pass."""
        try:
            hinted = self.receiver.mailbox.wait(self.receiver.listened_to, seconds)
        except MailbridgeError as error:
            log.warning("listen.interrupted", mailbox=self.receiver.mailbox.name, reason=str(error))
            self._failed(str(error), login_refused=refused(error))
            return
        self._cause = PassTrigger.HINT if hinted or self._wake.is_set() else PassTrigger.DUE

    def _until_due_without_the_server(self) -> float:
        """Return the seconds until there is work that does not need the mail server."""
        return max(self._seconds_until_due(), OFFLINE_PAUSE) if self.backoff.left_alone > 0.0 else LONGEST_WAIT

    def _seconds_until_due(self) -> float:
        try:
            due = self._message_queries.next_due(self.receiver.names[:1], others=self.receiver.names[1:])
        except StoreError as error:
            log.warning("listen.database_unavailable", mailbox=self.receiver.mailbox.name, reason=str(error))
            return pause_after(1)
        return max(due - time.time(), self._shared.breaker.closed_for, 0.2) if due is not None else LONGEST_WAIT

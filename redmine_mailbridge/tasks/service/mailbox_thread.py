"""The thread of one mailbox: receives, then listens until there is something to do.

Something to do is: somebody asks for a pass, the server hints at new mail (IDLE), or a deferred mail is due. What the
server does, and what it does not, makes the thread slower and never faster: see `tasks/receive/fetch/pass_backoff.py`.
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
from redmine_mailbridge.store.queries.messages import Archive
from redmine_mailbridge.tasks.receive.fetch.pass_backoff import Cause, PassBackoff, refused
from redmine_mailbridge.tasks.receive.receiver import PassResult, Receiver, Shared
from redmine_mailbridge.util.error_boundary import Enduring, fault

log = structlog.get_logger(__name__)

LONGEST_WAIT = 3600.0
"""Seconds after which a mailbox is looked at again, whatever its server says."""
OFFLINE_PAUSE = 5.0
"""Seconds between two looks at what is due while the server is left alone, at least."""


class Gone(Exception):
    """The thread that was asked has ended."""


class MailboxThread(Enduring):
    """Receives from one mailbox whenever it is woken, and wakes itself when the server hints at new mail."""

    def __init__(self, receiver: Receiver, shared: Shared, archive: Archive, *, listen: bool) -> None:
        super().__init__(f"mailbox-{receiver.mailbox.name}", self._receive_and_listen, shared.stop)
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

    def cut(self) -> None:
        """Have it wait no longer for its server."""
        self.receiver.mailbox.cut()

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
        try:
            super().run()
        finally:
            with contextlib.suppress(Exception):  # nobody needs it any more
                self.receiver.mailbox.close()
            self._take(Gone())

    def _receive_and_listen(self) -> None:
        while not self._shared.stop.is_set():
            self._wake.clear()
            wanted = self._waiting()
            if self.backoff.left_alone > 0.0:
                self._settle(wanted, self._without_the_server)
            elif wanted or (self._enabled and self.backoff.pause == 0.0):
                self._settle(wanted, partial(self._pass, asked=bool(wanted)))
            else:
                self._owed = self._enabled  # woken in a pause: the pass is made when that is over
            if not self._shared.stop.is_set():
                self._wait()

    def _fell(self, error: BaseException, pause: float) -> None:
        self.error, self.doing = f"mailbox {self.name_of_mailbox}: {fault(error)}", "waiting to try again"
        with contextlib.suppress(Exception):  # it is opened anew
            self.receiver.mailbox.close()
        super()._fell(error, pause)

    def _settle(self, wanted: "Sequence[Future[PassResult]]", make: Callable[[], PassResult]) -> None:
        """Given who wants a pass, make it and tell them, whatever becomes of it: nobody waits for ever."""
        try:
            result = make()
        except BaseException as error:
            for one in wanted:
                one.set_exception(error)
            raise
        # who asked while it was failing need not have the server asked again at once
        for one in (*wanted, *(self._waiting() if result.error else ())):
            one.set_result(result)

    def _pass(self, *, asked: bool) -> PassResult:
        self.doing = "receiving"
        why = "by the task receive" if asked else "because the server spoke up, or a mail was due"
        cause = Cause.ASKED if asked else self._cause
        self._cause, self._owed = Cause.HINT, False  # who wakes it from now on knows of news
        before = self.receiver.mailbox.commands
        result = self.receiver.once(why=why)
        commands = math.ceil((self.receiver.mailbox.commands - before) / len(self.receiver.reading.folders))
        self.tried = True
        if result.error:
            self._failed(result.error, found=result.found > 0, login_refused=result.login_refused, commands=commands)
        else:
            self.backoff.passed(cause, found=result.found > 0, commands=commands)
            self._went_well(next(iter(result.missing.values()), None))
        return result

    def _without_the_server(self) -> PassResult:
        """The server asked to be left alone: what the store holds is worked on, and whoever wants a pass is told so."""
        result = self.receiver.once(why="without the server, which asked to be left alone", server=False)
        left = round(self.backoff.left_alone)
        result.error = result.error or f"{self.error} (not tried again before {left} s are over)"
        return result

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

    def _failed(self, said: str, *, found: bool = False, login_refused: bool = False, commands: int = 0) -> None:
        """The connection is of no use: begin anew after a pause, and not before the server's own hint is over."""
        self.error, self.doing = said, "waiting to try again"
        self.receiver.mailbox.close()
        self.backoff.failed(said, found=found, login_refused=login_refused, commands=commands)
        if self.backoff.left_alone:
            log.info("listen.asked_to_wait", mailbox=self.receiver.mailbox.name, seconds=round(self.backoff.left_alone))

    def _wait(self) -> None:
        """Until woken, a hint of the server, a mail that is due, or the end of a pause."""
        if not self._enabled:
            self._wake.wait()
            return
        pause = self.backoff.pause
        if pause > 0.0 and self._wake.wait(min(pause, self._until_due_without_the_server())):
            return
        if self.backoff.failing or self._owed:
            self._cause = Cause.AGAIN if self.backoff.failing else Cause.HINT
            return
        seconds = max(self._seconds_until_due(), self.backoff.due_pause)
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

    def _until_due_without_the_server(self) -> float:
        """In how many seconds there is something to do that needs no mail server."""
        return max(self._seconds_until_due(), OFFLINE_PAUSE) if self.backoff.left_alone > 0.0 else LONGEST_WAIT

    def _seconds_until_due(self) -> float:
        try:
            due = self._archive.next_due(self.receiver.names[:1], others=self.receiver.names[1:])
        except StoreError as error:
            log.warning("listen.store_away", mailbox=self.receiver.mailbox.name, reason=str(error))
            return pause_after(1)
        return max(due - time.time(), self._shared.gate.closed_for, 0.2) if due is not None else LONGEST_WAIT

"""Watches one more folder of a mailbox by IMAP IDLE, over its own connection, and wakes the mailbox's thread.

The mailbox's thread watches the first folder; a server reports new mail only for the selected folder.
"""

import contextlib
import threading
from collections.abc import Callable

import structlog

from redmine_mailbridge.errors import FolderMissing, MailbridgeError
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.tasks.receive.fetch.pass_backoff import PassBackoff, PassTrigger, refused
from redmine_mailbridge.util.error_boundary import Enduring

log = structlog.get_logger(__name__)

MAX_WAIT = 3600.0
"""Seconds of one wait, then the thread checks for a stop. IDLE itself is renewed in mailboxes/imap/idle.py."""

BETWEEN = 1.0
"""Minimum seconds between two wake-ups: the pass caused by the first one also reads what arrived meanwhile."""


class IdleWatcher(Enduring):
    """Watches a folder as long as the server supports push. After errors it pauses, longer each time.

    `wake` wakes the mailbox's thread; `quiet` returns for how many seconds that thread ignores wake-ups because
    earlier ones brought no mail.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        folder: str,
        wake: Callable[[], None],
        stop: threading.Event,
        *,
        quiet: Callable[[], float] = lambda: 0.0,
    ) -> None:
        super().__init__(f"listen-{mailbox.name}-{folder}", self._listen, stop)
        self._mailbox = mailbox
        self._folder = folder
        self._wake = wake
        self._quiet = quiet
        self._backoff = PassBackoff()

    def end(self) -> None:
        """Interrupt any wait so that the thread checks for a stop."""
        self._mailbox.interrupt()

    def cut(self) -> None:
        """Stop waiting for the server."""
        self._mailbox.cut()

    def run(self) -> None:
        """Watch and wake until stopped. Return early when the server does not support push."""
        try:
            super().run()
        finally:
            with contextlib.suppress(Exception):  # the connection is no longer used
                self._mailbox.close()

    def _listen(self) -> None:
        fresh = True
        while not self._stop_sign.is_set():
            try:
                if not self._mailbox.connected().pushes:
                    break
                news = self._mailbox.wait(self._folder, 0.0 if fresh else MAX_WAIT)
            except MailbridgeError as error:
                fresh = True
                fields = {"mailbox": self._mailbox.name, "folder": self._folder, "reason": str(error)}
                log.warning("listen.interrupted", **fields)
                if not isinstance(error, FolderMissing):  # the folder may be created later; the connection is fine
                    self._mailbox.close()
                self._backoff.failed(str(error), login_refused=refused(error))
                self._stop_sign.wait(self._backoff.pause)
                continue
            self._backoff.passed(PassTrigger.AGAIN, did_work=False)
            if news or fresh:  # a new connection gets no notification of mail that arrived before it was opened
                self._wake()
                self._stop_sign.wait(BETWEEN)  # the pass that this causes has usually finished by then
                self._stop_sign.wait(self._quiet())
            fresh = False

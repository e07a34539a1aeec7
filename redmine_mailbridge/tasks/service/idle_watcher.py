"""Listens to one further folder of a mailbox, over a connection of its own, and wakes the mailbox's thread.

The mailbox's own thread listens to its first folder; a server tells of news only in the folder that is open.
"""

import contextlib
import threading
from collections.abc import Callable

import structlog

from redmine_mailbridge.errors import FolderMissing, MailbridgeError
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.tasks.receive.fetch.pass_backoff import Cause, PassBackoff, refused
from redmine_mailbridge.util.error_boundary import Enduring

log = structlog.get_logger(__name__)

AT_MOST = 3600.0

BETWEEN = 1.0
"""Seconds between two hints at least: the pass that the first one brings about reads what came meanwhile."""


class FolderListener(Enduring):
    """Waits in a folder, as a hint only, as long as the server pushes; errors make it pause, longer each time.

    `wake` makes the mailbox's thread look; `quiet` says for how many seconds that thread does not care for hints,
    because earlier ones were for nothing.
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
        """Have it look at the stop sign soon, whatever it waits for."""
        self._mailbox.interrupt()

    def cut(self) -> None:
        """Wait no longer for the server."""
        self._mailbox.cut()

    def run(self) -> None:
        """Wait, wake, wait, until the stop sign, or for good where the server does not push."""
        try:
            super().run()
        finally:
            with contextlib.suppress(Exception):  # nobody listens any more
                self._mailbox.close()

    def _listen(self) -> None:
        fresh = True
        while not self._stop_sign.is_set():
            try:
                if not self._mailbox.connected().pushes:
                    break
                news = self._mailbox.wait(self._folder, 0.0 if fresh else AT_MOST)
            except MailbridgeError as error:
                fresh = True
                said = {"mailbox": self._mailbox.name, "folder": self._folder, "reason": str(error)}
                log.warning("listen.interrupted", **said)
                if not isinstance(error, FolderMissing):  # it may be made, and the connection is well
                    self._mailbox.close()
                self._backoff.failed(str(error), login_refused=refused(error))
                self._stop_sign.wait(self._backoff.pause)
                continue
            self._backoff.passed(Cause.AGAIN, found=False)
            if news or fresh:  # what came before this connection looked is nobody else's business to tell
                self._wake()
                self._stop_sign.wait(BETWEEN)  # by then the pass that this brings about has mostly been made
                self._stop_sign.wait(self._quiet())
            fresh = False

"""Listens to one further folder of a mailbox, over a connection of its own, and wakes the mailbox's thread.

The mailbox's own thread listens to its first folder; a server tells of news only in the folder that is open.
"""

import threading
from collections.abc import Callable

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.mailboxes.backoff import hint, jittered
from redmine_mailbridge.mailboxes.base import Mailbox
from redmine_mailbridge.store.life import pause_after

log = structlog.get_logger(__name__)

AT_MOST = 3600.0


class FolderListener(threading.Thread):
    """Waits in a folder, as a hint only, as long as the server pushes; errors make it pause, longer each time."""

    def __init__(self, mailbox: Mailbox, folder: str, wake: Callable[[], None], stop: threading.Event) -> None:
        super().__init__(name=f"listen-{mailbox.name}-{folder}", daemon=True)
        self._mailbox = mailbox
        self._folder = folder
        self._wake = wake
        self._stop_sign = stop

    def end(self) -> None:
        """Have it look at the stop sign soon, whatever it waits for."""
        self._mailbox.interrupt()

    def run(self) -> None:
        """Wait, wake, wait, until the stop sign, or for good where the server does not push."""
        failures, fresh = 0, True
        while not self._stop_sign.is_set():
            try:
                if not self._mailbox.connected().pushes:
                    break
                news = self._mailbox.wait(self._folder, 0.0 if fresh else AT_MOST)
            except MailbridgeError as error:
                failures, fresh = failures + 1, True
                said = {"mailbox": self._mailbox.name, "folder": self._folder, "reason": str(error)}
                log.warning("listen.interrupted", **said)
                self._mailbox.close()
                self._stop_sign.wait(max(jittered(pause_after(failures)), hint(str(error)) or 0.0))
                continue
            if news or fresh:  # what came before this connection looked is nobody else's business to tell
                self._wake()
            failures, fresh = 0, False
        self._mailbox.close()

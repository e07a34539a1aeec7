"""The process of `run`: the service under signals.

SIGTERM and SIGINT let the mail in hand end and stop. SIGHUP reads the settings again, checks them whole and swaps
them in; a bad file changes nothing.
"""

import signal
import socket
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import structlog

from redmine_mailbridge import app
from redmine_mailbridge import log as logs
from redmine_mailbridge.checks.beginning import look_up_names
from redmine_mailbridge.errors import MailbridgeError, SettingsError
from redmine_mailbridge.logring import kept_in
from redmine_mailbridge.settings.load import load_with_origins, reload
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.admin import LogRing
from redmine_mailbridge.tasks.service import Service

if TYPE_CHECKING:
    from redmine_mailbridge.admin.wiring import Pages

log = structlog.get_logger(__name__)


class Daemon:
    """Runs one service after another: the next one takes over when settings change."""

    def __init__(self, settings: Settings, path: Path | None, *, listen: bool) -> None:
        self._settings = settings
        self._path = path
        self._listen = listen
        # Signals come as bytes: whichever thread the kernel gives one to, the main thread, which waits here, wakes up.
        self._near, self._far = socket.socketpair()
        self._far.setblocking(False)

    def run(self, *, wait: float = 0.0) -> None:
        """Run until SIGTERM or SIGINT. Raise AlreadyRunning when another holds the store."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, _noted)
        signal.set_wakeup_fd(self._far.fileno(), warn_on_full_buffer=False)
        keeper = app.open_store(self._settings)
        lock = keeper.lock("service", wait=wait)
        keeper.raw.clear_spool()
        try:
            with kept_in(LogRing(keeper.database)):
                while self._one_service():
                    pass
        finally:
            lock.release()
            keeper.close()

    def _one_service(self) -> bool:
        """Run with the present settings until a signal ends that. Return whether to go on with new ones."""
        application = app.build(self._settings)
        look_up_names(
            self._settings, application.directory, lambda line: log.error("settings.unknown_name", reason=line)
        )
        service: Service = application.service(listen=self._listen)
        service.start(upkeep=application.upkeep)
        pages = self._pages()
        try:
            return self._wait()
        finally:
            if pages is not None:
                pages.stop()
            service.stop()
            application.close()

    def _pages(self) -> "Pages | None":
        """The admin page, if it is wanted; when it cannot be had, mail goes on all the same."""
        if self._settings.admin.listen is None:
            return None
        from redmine_mailbridge.admin.wiring import Pages  # noqa: PLC0415 - who wants no pages need not load them

        try:
            return Pages(load_with_origins(self._path))
        except MailbridgeError as error:
            log.error("admin.not_listening", reason=str(error))  # noqa: TRY400 - one line that can be acted on
            return None

    def _wait(self) -> bool:
        """Wait for a signal that means something. Return whether it was new settings."""
        while True:
            came = set(self._near.recv(64))
            if came & {signal.SIGTERM, signal.SIGINT}:
                return False
            if signal.SIGHUP in came and self._reloaded():
                return True

    def _reloaded(self) -> bool:
        try:
            self._settings = reload(self._settings, self._path)
        except SettingsError as error:
            log.warning("settings.unchanged", reason=str(error))
            return False
        logs.configure(self._settings.log)
        log.info("settings.reloaded")
        return True


def _noted(_number: int, _frame: FrameType | None) -> None:
    """The wakeup descriptor has told it already."""

"""The process of `run`: the service under signals.

SIGTERM and SIGINT finish the current message and stop. SIGHUP re-reads the settings, validates them as a whole and
swaps them in; an invalid file changes nothing, and if the store cannot be opened now, the present service keeps running
until it can.

The service runs under the store's lock. When the lock is lost, work stops at once; it resumes as soon as the lock can
be taken again.
"""

import enum
import importlib
import math
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import structlog

from redmine_mailbridge.checks.startup import verify_names
from redmine_mailbridge.cli import logging as logs
from redmine_mailbridge.errors import LockLost, MailbridgeError, SettingsError, StoreBusy
from redmine_mailbridge.mailboxes.login_limit import LoginLimits
from redmine_mailbridge.settings.load import load_with_origins, reload
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.who_mails import silent_mailboxes
from redmine_mailbridge.store.lock import Lock
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.service.log_buffer import kept_in
from redmine_mailbridge.tasks.service.service import Service
from redmine_mailbridge.tasks.service.watchdog import Watchdog
from redmine_mailbridge.util.backoff import jittered
from redmine_mailbridge.util.error_boundary import Enduring, fault, where
from redmine_mailbridge.wiring import application as app
from redmine_mailbridge.wiring.store import log_buffer_of, open_store

if TYPE_CHECKING:
    from redmine_mailbridge.web.wiring import Pages

log = structlog.get_logger(__name__)


TRY_AGAIN = 2.0
"""Seconds between two attempts to take the lock again, or to open a store that cannot be opened now."""
LOST = 255
"""The byte that reports the loss of the lock, among those that are signal numbers."""


class _End(enum.Enum):
    """Why a service ended, other than for new settings."""

    SIGNAL = enum.auto()
    LOST = enum.auto()


class Daemon:
    """Runs one service after another: the next one takes over when the settings change."""

    def __init__(self, settings: Settings, path: Path | None, *, listen: bool) -> None:
        self._settings = settings
        self._path = path
        self._listen = listen
        self._logins = LoginLimits()
        """Shared by all its services: a new one, for new settings or a new lock, starts with the existing counts."""
        # Signals arrive as bytes: whichever thread the kernel delivers one to, the main thread waiting here wakes up.
        self._near, self._far = socket.socketpair()
        self._watchdog = Watchdog()
        self._far.setblocking(False)

    def run(self, *, wait: float | None = None) -> None:
        """Run until SIGTERM or SIGINT. Raise AlreadyRunning when another process holds the store and still does after
        `wait` seconds. None: where processes share PostgreSQL, stand by as long as it takes; do not wait elsewhere.
        """
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        for number in numbers:
            signal.signal(number, _noted)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)  # the parent process may have blocked them
        signal.set_wakeup_fd(self._far.fileno(), warn_on_full_buffer=False)
        store = open_store(self._settings)
        try:
            if wait is None:
                wait = 0.0 if store.database.is_sqlite else math.inf
            lock = self._lock(store, within=wait)
            if lock is None:
                return
            with kept_in(log_buffer_of(store)):
                after = self._under(lock, store, self._first(lock, store))
                while after is not None:
                    after = self._under(after, store, None)
        finally:
            store.close()

    def _first(self, lock: Lock, store: Store) -> app.Application | None:
        """Build the first application; report at once if that fails. None if a shared database is away for a moment:
        a standby often takes over just then.
        """
        try:
            return app.build(self._settings, logins=self._logins)
        except BaseException as error:
            if isinstance(error, StoreBusy) and not store.database.is_sqlite:
                return None
            lock.release()
            raise

    def _under(self, lock: Lock, store: Store, first: app.Application | None) -> Lock | None:
        """Work under a lock. Return the lock taken after its loss, or None when it is time to end."""
        try:
            with self._watched(lock):
                store.raw.clear_spool()
                end = self._services(lock, first or self._built_at_last())
        finally:
            lock.release()
        return None if end is _End.SIGNAL else self._lock(store, within=math.inf, again=True)

    def _services(self, lock: Lock, first: app.Application | _End) -> _End:
        """Run one service after another. Return why the last one ended."""
        after = first
        while not isinstance(after, _End):
            after = self._one_service(after, lock)
        return after

    def _one_service(self, application: app.Application, lock: Lock) -> app.Application | _End:
        """Run until a signal or the loss of the lock. Return the next application if the settings are new."""
        lock.guard(application.store.database)
        verify_names(
            self._settings, application.metadata, lambda line: log.error("settings.unknown_name", reason=line),
            application.shared.breaker.deny,
        )  # fmt: skip
        for name, why in silent_mailboxes(self._settings.active_mailboxes, self._settings.outgoing):
            log.warning("answers.not_configured", mailbox=name, reason=why)
        with ExitStack() as ending:  # every part is shut down even if another one fails; the lock is released then
            ending.callback(application.close)
            service: Service = application.service(listen=self._listen)
            ending.callback(service.stop)
            self._import_pages()
            service.start(upkeep=application.upkeep)
            pages = self._pages()
            self._watchdog.ask = service.turns
            ending.callback(self._watchdog.ask_nothing)
            if pages is not None:
                ending.callback(pages.stop)
            return self._wait()

    def _import_pages(self) -> None:
        """Import the admin pages, if configured, while no other thread works: anyio parses Python when it is imported,
        and so does a thread that formats a traceback. Python 3.11 cannot do both at once ("AST constructor recursion
        depth mismatch"). If they cannot be imported, `_pages` reports it.
        """
        if self._settings.admin.listen is not None:
            with suppress(Exception):
                importlib.import_module("redmine_mailbridge.web.wiring")

    def _pages(self) -> "Pages | None":
        """The admin pages, if configured; mail is processed even when they cannot be served."""
        if self._settings.admin.listen is None:
            return None
        try:
            from redmine_mailbridge.web.wiring import Pages

            return Pages(load_with_origins(self._path), self._reload)
        except MailbridgeError as error:
            log.error("admin.not_listening", reason=str(error))  # noqa: TRY400 - one line that can be acted on
        except Exception as error:  # noqa: BLE001 - error boundary of the pages: mail is processed without them
            log.error("admin.not_listening", reason=fault(error), kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
        return None

    def _reload(self) -> None:
        """As SIGHUP does, asked for on a page."""
        with suppress(BlockingIOError):  # so many signals wait that the main thread wakes up anyhow
            self._far.send(bytes([signal.SIGHUP]))

    # ------------------------------------------------------------------ the lock

    @contextmanager
    def _watched(self, lock: Lock) -> Iterator[None]:
        """Within the block, wake the main thread if the lock is lost."""
        stop = threading.Event()

        def look() -> None:
            while not stop.wait(lock.look_every):  # a writing transaction notices the loss earlier
                try:
                    lock.check()
                except LockLost:
                    return

        lock.on_lost = self._lost
        watch = Enduring("lock", look, stop)
        watch.start()
        try:
            yield
        finally:
            stop.set()
            watch.join()

    def _lost(self, why: str) -> None:
        log.error("service.lock_lost", reason=why, then="work is paused until the lock is taken again")
        with suppress(BlockingIOError):  # the pipe is full, so the main thread wakes up anyway
            self._far.send(bytes([LOST]))

    def _lock(self, store: Store, *, within: float, again: bool = False) -> Lock | None:
        """Take the lock as soon as it is free. Return it, or None when it is time to end. Raise AlreadyRunning or
        StoreBusy when it cannot be taken within this many seconds.
        """
        reported, end = "", time.monotonic() + within
        while True:
            try:
                lock = store.lock("service")
            except MailbridgeError as error:
                if time.monotonic() >= end:
                    raise
                if str(error) != reported:
                    reported = str(error)
                    log.warning("service.waiting_for_lock", reason=reported)
            else:
                if reported or again:
                    log.info("service.lock_regained" if again else "service.lock_taken")
                return lock
            came = self._came(jittered(TRY_AGAIN))
            if came & {signal.SIGTERM, signal.SIGINT}:
                return None
            if signal.SIGHUP in came:
                self._settings = self._read_again() or self._settings

    # ------------------------------------------------------------------ signals

    def _came(self, within: float | None) -> set[int]:
        """Return what has arrived: signal numbers, and LOST. Wait up to this many seconds (None: without limit)."""
        end = None if within is None else time.monotonic() + within
        while True:
            self._watchdog.tell()
            remaining = None if end is None else max(end - time.monotonic(), 0.001)
            self._near.settimeout(self._watchdog.within(remaining))
            try:
                return set(self._near.recv(64))
            except TimeoutError:
                if end is not None and time.monotonic() >= end:
                    return set()

    def _wait(self) -> app.Application | _End:
        """Wait for a signal that matters. Return the application of new settings, or why to end."""
        new_settings: Settings | None = None
        while True:
            came = self._came(None if new_settings is None else TRY_AGAIN)
            if came & {signal.SIGTERM, signal.SIGINT}:
                return _End.SIGNAL
            if LOST in came:
                return _End.LOST
            if signal.SIGHUP in came:
                new_settings = self._read_again()
            if new_settings is not None and (application := self._built(new_settings)) is not None:
                self._settings = new_settings
                logs.configure(new_settings.log)
                log.info("settings.reloaded")
                return application

    def _read_again(self) -> Settings | None:
        """The settings as the file has them now; None, with the reason logged, if they cannot be used."""
        try:
            return reload(self._settings, self._path)
        except SettingsError as error:
            log.warning("settings.unchanged", reason=str(error))
            return None

    def _built(self, settings: Settings) -> app.Application | None:
        """The application for these settings; None, with the reason logged, if it cannot be built now."""
        try:
            return app.build(settings, logins=self._logins)
        except MailbridgeError as error:
            log.warning("settings.deferred", reason=str(error))
        except Exception as error:  # noqa: BLE001 - error boundary of new settings: the present service keeps running
            log.error("settings.fault", kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
        return None

    def _built_at_last(self) -> app.Application | _End:
        """The application for the present settings, as soon as it can be built; or why to end."""
        while True:
            application = self._built(self._settings)
            if application is not None:
                return application
            came = self._came(TRY_AGAIN)
            if came & {signal.SIGTERM, signal.SIGINT}:
                return _End.SIGNAL
            if LOST in came:
                return _End.LOST
            if signal.SIGHUP in came:
                self._settings = self._read_again() or self._settings


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wakeup descriptor has reported the signal already."""

"""The process of `admin`: the pages until SIGTERM or SIGINT, without the service."""

import os
import signal
from collections.abc import Callable

import structlog

from redmine_mailbridge.errors import MailbridgeError, SettingsError
from redmine_mailbridge.settings.load import Loaded, load_with_origins
from redmine_mailbridge.web.wiring import Pages

log = structlog.get_logger(__name__)

RELOAD = signal.SIGUSR1
"""Has this process read its settings again. SIGHUP ends it, as the end of a terminal does."""


def serve(loaded: Loaded, listen: str | None, ready: Callable[[str], None]) -> None:
    """Given settings and perhaps another listener, serve the pages until stopped.

    `ready` is called with the address. Raise SettingsError when the listener may not be, or cannot be had.
    """
    signals = {signal.SIGTERM, signal.SIGINT, RELOAD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the first thread: they all wait for this one
    try:
        pages = Pages(loaded, _reload, listen)
        while True:
            try:
                ready(pages.server.address)
                if signal.sigwait(signals) != RELOAD:
                    return
            finally:
                pages.stop()
            loaded, pages = _next(loaded, listen)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _next(present: Loaded, listen: str | None) -> tuple[Loaded, Pages]:
    """The pages by the settings as the file has them now, by the present ones when that cannot be served: its listener
    is taken, its certificate cannot be read, its store cannot be opened. Raise MailbridgeError when neither can.
    """
    reread = _read_again(present)
    try:
        return reread, Pages(reread, _reload, listen)
    except MailbridgeError as error:
        log.warning("settings.unchanged", reason=str(error))
        return present, Pages(present, _reload, listen)


def _reload() -> None:
    os.kill(os.getpid(), RELOAD)


def _read_again(loaded: Loaded) -> Loaded:
    """The settings as the file has them now; the present ones, and the reason is logged, when it cannot be used."""
    try:
        return load_with_origins(loaded.path)
    except SettingsError as error:
        log.warning("settings.unchanged", reason=str(error))
        return loaded

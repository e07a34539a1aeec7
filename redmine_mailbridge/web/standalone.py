"""The process of `admin`: the pages until SIGTERM or SIGINT, without the service."""

import signal
from collections.abc import Callable

from redmine_mailbridge.settings.load import Loaded
from redmine_mailbridge.web.wiring import Pages


def serve(loaded: Loaded, listen: str | None, ready: Callable[[str], None]) -> None:
    """Given settings and perhaps another listener, serve the pages until told to stop.

    `ready` is called with the address. Raise SettingsError when the listener may not be, or cannot be had.
    """
    signals = {signal.SIGTERM, signal.SIGINT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before the first thread: they all wait for this one
    try:
        pages = Pages(loaded, listen)
        try:
            ready(pages.server.address)
            signal.sigwait(signals)
        finally:
            pages.stop()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

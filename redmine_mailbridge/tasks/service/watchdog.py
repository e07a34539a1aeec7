"""Sends keep-alive messages to systemd (sd_notify(3), WatchdogSec=), which restarts a service that hangs."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress


class Watchdog:
    """Sends keep-alive messages if the environment says that systemd watches this process, otherwise nothing.

    `ask` returns whether the process is alive, which each message requires.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address, interval = environ.get("NOTIFY_SOCKET", ""), environ.get("WATCHDOG_USEC", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.every = int(interval) / 3e6 if address and interval.isdecimal() and int(interval) else None
        """Seconds between two messages; None when the process is not watched."""
        self.ask: Callable[[], bool] = _always
        self._next = 0.0

    def ask_nothing(self) -> None:
        """From now on, send messages without checking whether the process is alive."""
        self.ask = _always

    def tell(self) -> None:
        """Send a message if it is due and the process is alive."""
        now = time.monotonic()
        if self.every is None or now < self._next or not self.ask():
            return
        self._next = now + self.every
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"WATCHDOG=1", self._address)

    def within(self, seconds: float | None) -> float | None:
        """Given a wait in seconds (None: without a limit), return it limited by the time until the next message."""
        waits = [wait for wait in (seconds, self.every) if wait is not None]
        return min(waits, default=None)


def _always() -> bool:
    return True

"""Tells systemd that the service still turns (sd_notify(3), WatchdogSec=), so that one that hangs is begun anew."""

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress


class Watchdog:
    """Given the environment, speaks to who started this process, if that watches it; else it says nothing.

    `ask` is what must hold for another sign of life.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        address, given = environ.get("NOTIFY_SOCKET", ""), environ.get("WATCHDOG_USEC", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.every = int(given) / 3e6 if address and given.isdecimal() and int(given) else None
        """Seconds between two signs of life; None when nobody waits for them."""
        self.ask: Callable[[], bool] = _always
        self._next = 0.0

    def ask_nothing(self) -> None:
        """From now on it lives as long as it speaks."""
        self.ask = _always

    def tell(self) -> None:
        """Give a sign of life when it is time for one, and what is asked holds."""
        now = time.monotonic()
        if self.every is None or now < self._next or not self.ask():
            return
        self._next = now + self.every
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as there:
            there.sendto(b"WATCHDOG=1", self._address)

    def within(self, seconds: float | None) -> float | None:
        """Given for how long one wants to wait (None: for ever), return for how long one may, at once."""
        waits = [one for one in (seconds, self.every) if one is not None]
        return min(waits, default=None)


def _always() -> bool:
    return True

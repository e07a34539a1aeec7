"""The border around work that goes on for ever: what it raises is said, and it is begun anew after a pause."""

import contextlib
import threading
import time
import traceback
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds between a fall and the next beginning: the first, doubling up to the longest."""


def where(error: BaseException) -> str:
    """Given an error, return where it was raised, without its own words, which may be a mail's."""
    return "".join(traceback.format_tb(error.__traceback__))


def fault(error: BaseException) -> str:
    """Given an error that nobody expected, return the line about it that a person may read."""
    return f"a fault of the bridge ({type(error).__name__}), told in the log: please report it"


class Enduring(threading.Thread):
    """A thread whose work goes on until the stop sign. What ends it early is said, and after a pause it is begun anew.

    Work that returns has come to its end, and is not begun again.
    """

    def __init__(self, name: str, work: Callable[[], None], stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._stop_sign = stop

    def run(self) -> None:
        """Work, and begin anew after each fall."""
        falls = 0
        while not self._stop_sign.is_set():
            began = time.monotonic()
            try:
                self._work()
                return
            except BaseException as error:  # noqa: BLE001 - the border of a thread: whatever ends it, its work goes on
                falls = falls + 1 if time.monotonic() - began < LONGEST_PAUSE else 1
                pause = min(FIRST_PAUSE * 2.0 ** min(falls - 1, 10), LONGEST_PAUSE)
                with contextlib.suppress(BaseException):  # nor does what cannot be said end it: no memory, no disk
                    self._fell(error, pause)
                self._stop_sign.wait(pause)

    def _fell(self, error: BaseException, pause: float) -> None:
        """Say it. It is begun anew after that pause in seconds."""
        log.error("thread.fell", thread=self.name, kind=type(error).__name__, where=where(error), again_in=pause)

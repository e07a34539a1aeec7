"""The boundary around work that runs forever: exceptions are logged, and the work restarts after a pause."""

import contextlib
import threading
import time
import traceback
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
"""Seconds between a failure and the restart: the first, doubling up to the longest."""


def where(error: BaseException) -> str:
    """Given an error, return where it was raised, without its text, which may come from a message."""
    return "".join(traceback.format_tb(error.__traceback__))


def fault(error: BaseException) -> str:
    """Given an unexpected error, return the line about it for a person."""
    return f"internal error ({type(error).__name__}); see the log and please report it"


class Enduring(threading.Thread):
    """A thread that works until the stop signal. An exception is logged, and the work restarts after a pause.

    Work that returns is complete, and does not restart.
    """

    def __init__(self, name: str, work: Callable[[], None], stop: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._stop_sign = stop

    def run(self) -> None:
        """Work, and restart after each failure."""
        falls = 0
        while not self._stop_sign.is_set():
            began = time.monotonic()
            try:
                self._work()
                return
            except BaseException as error:  # noqa: BLE001 - the boundary of a thread: its work continues after any exception
                falls = falls + 1 if time.monotonic() - began < LONGEST_PAUSE else 1
                pause = min(FIRST_PAUSE * 2.0 ** min(falls - 1, 10), LONGEST_PAUSE)
                with contextlib.suppress(BaseException):  # a failure to log (no memory, no disk) does not end it either
                    self._fell(error, pause)
                self._stop_sign.wait(pause)

    def _fell(self, error: BaseException, pause: float) -> None:
        """Log it. The work restarts after that pause in seconds."""
        log.error("thread.failed", thread=self.name, kind=type(error).__name__, where=where(error), again_in=pause)

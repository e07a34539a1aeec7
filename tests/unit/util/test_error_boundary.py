"""Work that goes on for ever goes on, whatever ends it early, and however often."""

import threading

import pytest

from redmine_mailbridge.util import error_boundary
from redmine_mailbridge.util.error_boundary import Enduring


class NoWaiting(threading.Event):
    """A stop sign beside which nobody waits; `waited` is for how long they meant to."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        return self.is_set()


def endured(falls: int) -> list[float]:
    """Have work fall so often and then end. Return the pauses between; fail unless it came to its end."""
    stop, began, ended = NoWaiting(), list[int](), threading.Event()

    def work() -> None:
        began.append(1)
        if len(began) <= falls:
            raise ValueError
        ended.set()

    Enduring("work", work, stop).run()
    assert ended.is_set()
    return stop.waited


@pytest.mark.fault("A11-D4")
def test_more_falls_in_a_row_than_a_power_can_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that falls for days (2.0 ** 1024 is no number) is begun anew all the same, after the longest pause."""
    monkeypatch.setattr(error_boundary.log, "error", lambda *_words, **_more: None, raising=False)
    pauses = endured(1100)
    assert ([0.5, 1.0, 2.0], 60.0) == (pauses[:3], pauses[-1])


@pytest.mark.fault("A11-D5")
def test_a_fall_that_cannot_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the log fails (no memory, no disk), the work is begun anew after its pause."""

    def full(*_words: object, **_more: object) -> None:
        raise OSError(28, "No space left on device")

    class Log:
        error = staticmethod(full)

    monkeypatch.setattr(error_boundary, "log", Log())
    assert [0.5, 1.0] == endured(2)

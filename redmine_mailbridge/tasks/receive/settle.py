"""How long ago was a request sent, by a clock that nobody sets: whether what became of it can be known already.

The machine counts the seconds since it was started, suspended ones included, whatever its clock is set to, and the same
for each process (Linux: CLOCK_BOOTTIME, and the id of the start in /proc). A moment of another start, or of another
machine, says nothing about how long ago that was: then the time counts anew from when it was first seen here.
"""

import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
Moment = tuple[str, float]
"""The start of a machine, and seconds since then."""


@cache
def _boot() -> str:
    """Which start of which machine this is; "" where that cannot be told, and the clock must do."""
    try:
        return BOOT_ID.read_text("ascii").strip() if hasattr(time, "CLOCK_BOOTTIME") else ""
    except OSError:
        return ""


def now() -> Moment:
    """This moment."""
    boot = _boot()
    return (boot, time.clock_gettime(time.CLOCK_BOOTTIME)) if boot else ("", time.time())


def stamped(request: str) -> str:
    """Given a request in JSON that is about to be sent, return it with this moment in it."""
    return json.dumps({**json.loads(request), "sent": now()})


def seconds_since(request: str) -> float | None:
    """Given a request as it was stored, return how many seconds ago it was sent; None when nothing here can tell."""
    sent = json.loads(request).get("sent")
    boot, at = now()
    if not sent or sent[0] != boot or sent[1] > at:
        return None
    return float(at - sent[1])


def seconds_left(request: str, settle: float, restamp: Callable[[str], object]) -> float:
    """Given a request as it was stored, and how many seconds after it was sent what became of it can be known, return
    how many of these are left.

    Where nothing here can tell when that was (before this machine was started, or by another), it counts from now on:
    `restamp` is given the request with this moment in it, to store it so.
    """
    passed = seconds_since(request)
    if passed is None and settle:
        restamp(stamped(request))
    return max(settle - (passed or 0.0), 0.0)

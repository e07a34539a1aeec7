"""Measures how long ago a request was sent, independently of the wall clock, to know when its result is final.

The time since boot, including suspension, does not depend on the wall clock and is the same for all processes (Linux:
CLOCK_BOOTTIME, and the boot ID in /proc). A time from another boot or another machine cannot be compared: then the time
is counted from when it was first seen here. Where processes share a store, so is what another one recorded before this
one took over: a process that was stopped may send it long after, until its lease ends.
"""

import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from redmine_mailbridge.store.lock import planned_by_another

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
BootTime = tuple[str, float]
"""A boot ID, and the seconds since that boot."""


@cache
def _boot() -> str:
    """The boot ID of this machine; "" if there is none, and the wall clock is used."""
    try:
        return BOOT_ID.read_text("ascii").strip() if hasattr(time, "CLOCK_BOOTTIME") else ""
    except OSError:
        return ""


def now() -> BootTime:
    """The present time."""
    boot = _boot()
    return (boot, time.clock_gettime(time.CLOCK_BOOTTIME)) if boot else ("", time.time())


def stamped(request: str, *, seen: bool = False) -> str:
    """Given a request in JSON that is about to be sent, return it with the present time. `seen`: it is not sent now,
    but was seen by a process that took over from the one that may have sent it.
    """
    value = json.loads(request)
    boot, at = now()
    return json.dumps({**value, "sent": (boot, at, _seen(value) or True) if seen else (boot, at)})


def _seen(request: dict[str, Any]) -> dict[str, float]:
    """Given a request, return when machines saw it that did not send it, by boot ID: each counts by its own clock, also
    where two of them take turns.
    """
    boot, at, *rest = request.get("sent") or ("", 0.0)
    if not rest:
        return {}
    return {boot: at, **(rest[0] if isinstance(rest[0], dict) else {})}


def seconds_since(request: str) -> float | None:
    """Given a stored request, return how many seconds ago it was sent; None when unknown."""
    value = json.loads(request)
    sent, seen = value.get("sent"), _seen(value)
    boot, at = now()
    if boot in seen:
        sent = (boot, seen[boot], True)
    if not sent or sent[0] != boot or sent[1] > at:
        return None
    if boot and len(sent) == 2 and planned_by_another(sent[1]):
        return None
    return float(at - sent[1])


def seconds_left(request: str, settle: float, restamp: Callable[[str], object]) -> float:
    """Given a stored request, and the seconds after sending when its result is final, return the remaining seconds.

    If the time of sending is unknown (before the last boot, on another machine, or by a process in whose place this one
    works), the time counts from now on:
    `restamp` is called with the request and the present time, to store it.
    """
    passed = seconds_since(request)
    if passed is None and settle:
        restamp(stamped(request, seen=True))
    return max(settle - (passed or 0.0), 0.0)

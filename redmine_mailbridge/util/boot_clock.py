"""Seconds since the machine started, and what identifies this process on it.

The clock cannot be set and counts the time in which the machine sleeps or the process is stopped (Linux:
CLOCK_BOOTTIME). Elsewhere the monotonic clock is the nearest.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds since the machine started."""
    return time.clock_gettime(_CLOCK)


def machine_id() -> str:
    """What two processes share only if each can see whether the other one exists: the boot, and the namespace of
    process ids. "" where that is unknown.
    """
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return ""


def started(pid: int | None = None) -> str:
    """Given a process of this machine (None: this one), return when it started, in ticks since the boot; "" if it does
    not exist, or has ended and only its parent does not know yet.
    """
    try:
        fields = (PROC / f"{os.getpid() if pid is None else pid}" / "stat").read_text("ascii", "replace")
    except OSError:
        return ""
    state, *rest = fields.rpartition(")")[2].split()
    return "" if state in "ZX" and rest[16] in {"0", "1"} else rest[18]  # proc(5): its threads, and when it started


def has_ended(pid: int, when_started: str) -> bool:
    """Given a process of this machine and when it started, has it visibly ended? Not if it may only be hidden from this
    user (proc(5): hidepid; systemd: ProtectProc).
    """
    if now := started(pid):
        return now != when_started
    if (PROC / str(pid)).exists():
        return True
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)
    return False

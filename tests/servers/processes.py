"""Starting processes, waiting until they answer, and ending them by pid."""

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypedDict


class Process(TypedDict):
    """A server that was started: `started` (clock ticks since boot) tells it from a later one with its pid."""

    name: str
    pid: int
    started: int
    log: str


PUMA_GRACE = 2.0
"""Seconds."""
CHILDREN: dict[int, "subprocess.Popen[bytes]"] = {}
"""The servers that this very process started, by pid; they outlive it unless `end` is called."""


def free_port() -> int:
    """Return a loopback port that nobody listens on, below the range that clients are given ports from."""
    for _ in range(200):
        port = random.randint(20000, 31999)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free loopback port between 20000 and 31999")


def start(name: str, command: Sequence[str], log: Path, env: dict[str, str]) -> Process:
    """Given a command, start it in a session and process group of its own, its output in the log file."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True, env=env
        )
    CHILDREN[child.pid] = child
    return Process(name=name, pid=child.pid, started=started_at(child.pid) or 0, log=str(log))


def start_and_wait(
    name: str, command: Sequence[str], log: Path, env: dict[str, str], *, ready: Callable[[], bool], seconds: float = 60
) -> Process:
    """Given what `start` takes and a question, start it and wait until the answer is yes. If not, end it again."""
    process = start(name, command, log, env)
    try:
        wait_until(ready, f"{name} answers", seconds, process)
    except BaseException:
        end(process)
        raise
    return process


def started_at(pid: int) -> int | None:
    """Given a pid, return when it started, in clock ticks since boot, or None if it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def alive(process: Process) -> bool:
    """Given a process, say whether it still runs, and is not another one that was given its pid since."""
    reap(process["pid"])
    return started_at(process["pid"]) == process["started"]


def reap(pid: int) -> None:
    """Given a pid, collect its exit status if it is our own child and has ended."""
    if pid in CHILDREN and CHILDREN[pid].poll() is not None:
        del CHILDREN[pid]


def end(process: Process, seconds: float = 10) -> None:
    """Given a process, end it and its group: asked first, and killed when `seconds` have passed.

    Puma is given less time: what it has answered is committed, and one that has just begun hangs when it is asked.
    """
    seconds = min(seconds, PUMA_GRACE) if process["name"] == "redmine" else seconds
    if not alive(process):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(process["pid"], signal.SIGINT if process["name"] == "postgresql" else signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not alive(process), f"{process['name']} ends", seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process["pid"], signal.SIGKILL)
    wait_until(lambda: not alive(process), f"{process['name']} is killed", 5)
    if (child := CHILDREN.pop(process["pid"], None)) is not None:
        child.wait(5)


def next_second() -> None:
    """Wait until the second of the clock is over, since Redmine's times are whole seconds: what is written from then on
    is newer than what was.
    """
    present = int(time.time())
    wait_until(lambda: int(time.time()) > present, "the next second has begun", 5)


def wait_until(ready: Callable[[], bool], what: str, seconds: float, process: Process | None = None) -> None:
    """Given a question, ask it until it is true. Raise `TimeoutError` with the log's end if it never is."""
    deadline = time.monotonic() + seconds
    while not ready():
        gone = process is not None and not alive(process)
        if gone or time.monotonic() > deadline:
            why = "the process ended" if gone else f"not within {seconds:.0f} s"
            raise TimeoutError(f"{what}: {why}{tail(process)}")
        time.sleep(0.05)


def tail(process: Process | None) -> str:
    """Given a process, return the last lines of its log as the end of an error text."""
    if process is None:
        return ""
    lines = Path(process["log"]).read_text(errors="replace").splitlines()[-15:]
    return "\n".join([f"; the end of {process['log']}:", *lines])


def listens(port: int) -> bool:
    """Given a loopback port, say whether something accepts a connection there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


def answers(port: int, path: str) -> bool:
    """Given a loopback port and a path, say whether HTTP answers there with anything but a server error."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

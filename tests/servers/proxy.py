"""A TCP proxy that breaks connections exactly when a test says so, and counts what passed."""

import socket
import threading
from collections import deque
from typing import Literal, Self

from tests.servers.faults import Fault, listener, shut
from tests.servers.link import Link

__all__ = ["Fault", "FaultProxy"]


class FaultProxy:
    """Stands in front of a server on loopback; `plan(...)` says what goes wrong, in that order, each once.

    `protocol` tells where a request begins and ends: `http`, `line` (IMAP, POP3, SMTP), or `raw` (TLS: every piece
    that arrives is one). `requests` holds the first line of every request that came, `fired` every fault that struck.
    `ahead`: where it is set, every answer of HTTP bears a Date line of a clock so many seconds ahead of ours, as a
    proxy on a machine of its own adds it.
    """

    def __init__(self, target_port: int, protocol: Literal["http", "line", "raw"] = "http") -> None:
        self.target_port = target_port
        self.protocol = protocol
        self.ahead: float | None = None
        self.requests: list[str] = []
        self.fired: list[Fault] = []
        self.connections = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self._plan: deque[Fault] = deque()
        self._passed = 0
        self._changed = threading.Condition()
        self._released = threading.Event()
        self._open: set[Link] = set()
        self._refusing = False
        self._listener = listener(0)
        self.port: int = self._listener.getsockname()[1]
        self._serve()

    @property
    def url(self) -> str:
        """The address to give to an HTTP client."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def plan(self, *faults: Fault) -> None:
        """Given faults, let them strike in this order, after those planned before; forget that any was released."""
        with self._changed:
            self._plan.extend(faults)
            self._released.clear()

    def clear(self) -> None:
        """Forget the faults that have not struck yet."""
        with self._changed:
            self._plan.clear()
            self._passed = 0

    def release(self) -> None:
        """End every stall and delay now."""
        self._released.set()

    def refuse(self) -> None:
        """Refuse new connections (ECONNREFUSED) and reset those that are open, until `accept()`."""
        with self._changed:
            self._refusing = True
            links = list(self._open)
        shut(self._listener)
        for link in links:
            link.end(reset=True)

    def accept(self) -> None:
        """Take connections again, on the same port, after `refuse()`."""
        self._listener = listener(self.port)
        self._refusing = False
        self._serve()

    def stop(self) -> None:
        """End the proxy and every connection through it."""
        self.release()
        self.refuse()

    def wait_fired(self, count: int = 1, seconds: float = 30) -> None:
        """Given a number, wait until that many faults have struck in all. Raise `TimeoutError` if they do not."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.fired) >= count, seconds):
                raise TimeoutError(f"{len(self.fired)} of {count} faults struck within {seconds} s")

    def wait_idle(self, seconds: float = 30) -> None:
        """Wait until every connection has ended, what was held back included. Raise `TimeoutError` if they do not."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._open, seconds):
                raise TimeoutError(f"{len(self._open)} connections are still open after {seconds} s")

    def _serve(self) -> None:
        threading.Thread(target=self._accept_all, args=(self._listener,), daemon=True).start()

    def _accept_all(self, source: socket.socket) -> None:
        while True:
            try:
                client, _ = source.accept()
            except OSError:
                return
            link = Link(self, client)
            with self._changed:
                refused = self._refusing
                self.connections += not refused
                self._open.add(link)
            if refused:
                link.end(reset=True)
                continue
            threading.Thread(target=link.run, daemon=True).start()

    def take(self, head: bytes, *, connecting: bool) -> Fault | None:
        """Given the beginning of a request, return the fault that is due for it, taken off the plan."""
        with self._changed:
            fault = self._plan[0] if self._plan else None
            if fault is None or connecting != (fault.where == "connect") or fault.match not in head:
                return None
            if self._passed < fault.skip:
                self._passed += 1
                return None
            self._passed = 0
            return self._plan.popleft()

    def note(self, fault: Fault) -> None:
        """Given a fault, count that it struck."""
        with self._changed:
            self.fired.append(fault)
            self._changed.notify_all()

    def pause(self, fault: Fault) -> None:
        """Given a stall or a delay, keep silent for as long as it says."""
        self._released.wait(fault.seconds if fault.action == "delay" else None)

    def count(self, *, up: int = 0, down: int = 0, request: str = "") -> None:
        """Given what passed, add it to the counters."""
        with self._changed:
            self.bytes_up += up
            self.bytes_down += down
            if request:
                self.requests.append(request)

    def forget(self, link: Link) -> None:
        """Given a connection that ended, let go of it."""
        with self._changed:
            self._open.discard(link)
            self._changed.notify_all()

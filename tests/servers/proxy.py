"""A TCP proxy that breaks connections exactly when a test says so, and counts what passed."""

import contextlib
import socket
import struct
import threading
from collections import deque
from typing import Literal, Self

from tests.servers.faults import Fault, listener, shut
from tests.servers.framing import Framer, HttpFramer, LineFramer, Piece, RawFramer

__all__ = ["Fault", "FaultProxy"]

FRAMERS: dict[str, type[Framer]] = {"http": HttpFramer, "line": LineFramer, "raw": RawFramer}


class FaultProxy:
    """Stands in front of a server on loopback; `plan(...)` says what goes wrong, in that order, each once.

    `protocol` tells where a request begins and ends: `http`, `line` (IMAP, POP3, SMTP), or `raw` (TLS: every piece
    that arrives is one). `requests` holds the first line of every request that came, `fired` every fault that struck.
    """

    def __init__(self, target_port: int, protocol: Literal["http", "line", "raw"] = "http") -> None:
        self.target_port = target_port
        self.protocol = protocol
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

    def forget(self, link: "Link") -> None:
        """Given a connection that ended, let go of it."""
        with self._changed:
            self._open.discard(link)
            self._changed.notify_all()


class Link:
    """One client's connection and its own one to the server, with the fault that is armed for it, if any."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server: socket.socket | None = None
        self.armed: Fault | None = None
        self.budget = 0
        self.lock = threading.Lock()
        self.closing = threading.Lock()
        self.ended = False
        self.held = False
        """Was a request held back? The server then learns nothing of a client that hung up meanwhile."""
        self.left = False

    def run(self) -> None:
        """Connect to the server and pass everything on in both directions until one side ends."""
        due = self.proxy.take(b"", connecting=True)
        if due is not None and self._strike(due):
            return
        try:
            self.server = socket.create_connection(("127.0.0.1", self.proxy.target_port))
        except OSError:
            self.end(reset=True)
            return
        threading.Thread(target=self._answers, daemon=True).start()
        try:
            self._requests(self.server)
        except OSError:
            self.end(reset=True)

    def _requests(self, server: socket.socket) -> None:
        """Pass on what the client sends until it ends, or a fault ends the connection."""
        framer = FRAMERS[self.proxy.protocol]()
        while data := self.client.recv(65536):
            for piece in framer.feed(data):
                if not self._request(piece):
                    return
        self.left = True
        if not self.held:
            server.shutdown(socket.SHUT_WR)

    def _request(self, piece: Piece) -> bool:
        """Given a piece of a request, pass it on as far as the fault lets it. Return whether to go on."""
        assert self.server is not None
        if piece.first:
            self.proxy.count(request=piece.data.split(b"\r\n", 1)[0].decode("latin-1"))
            with self.lock:
                self.armed = self.proxy.take(piece.data, connecting=False)
                self.budget = self.armed.after if self.armed else 0
        fault, data = self.armed, piece.data
        if fault is not None and fault.where == "request":
            if len(data) > self.budget:
                self.proxy.count(up=self.budget)
                self.server.sendall(data[: self.budget])
                data = data[self.budget :]
                self.armed = None
                if self._strike(fault):
                    return False
            else:
                self.budget -= len(data)
        if fault is not None and fault.where == "sent" and piece.last:
            self.lock.acquire()  # held until the fault has struck, so that no byte of the answer slips through
            try:
                self.proxy.count(up=len(data))
                self.server.sendall(data)
                self.armed = None
                return not self._strike(fault)
            finally:
                self.lock.release()
        self.proxy.count(up=len(data))
        self.server.sendall(data)
        return True

    def _answers(self) -> None:
        """Pass the server's answers on as far as the fault lets them."""
        assert self.server is not None
        with contextlib.suppress(OSError):
            while data := self.server.recv(65536):
                if not self._response(data) or (self.held and self.left):
                    break
        self.end(reset=False)

    def _response(self, data: bytes) -> bool:
        """Given a piece of an answer, pass it on as far as the fault lets it. Return whether to go on."""
        with self.lock:
            fault = self.armed if self.armed is not None and self.armed.where == "response" else None
            if fault is not None and len(data) > self.budget:
                self.proxy.count(down=self.budget)
                self.client.sendall(data[: self.budget])
                data = data[self.budget :]
                self.armed = None
            elif fault is not None:
                self.budget -= len(data)
                fault = None
            if self.ended:
                return False
        if fault is not None and self._strike(fault):
            return False
        if fault is not None and fault.action == "corrupt":
            data = fault.junk[: len(data)] + data[len(fault.junk) :]
        self.proxy.count(down=len(data))
        self.client.sendall(data)
        return True

    def _strike(self, fault: Fault) -> bool:
        """Given a fault whose moment has come, do it. Return whether the connection is over."""
        if fault.action in ("reset", "close"):
            self.end(reset=fault.action == "reset", only_client=fault.where == "sent")
            self.proxy.note(fault)
            return True
        self.held = self.held or fault.where == "request"
        self.proxy.note(fault)
        if fault.action in ("stall", "delay"):
            self.proxy.pause(fault)
        return False

    def end(self, *, reset: bool, only_client: bool = False) -> None:
        """Close both sides, or one; the client's with RST if asked, so that it sees an error and not an end."""
        with self.closing:  # whoever comes first says how the client sees it; a FIN must not overtake a RST
            if not self.ended:
                self.ended = True
                self._leave(reset=reset)
        if only_client:
            return
        if self.server is not None:
            shut(self.server)
        self.proxy.forget(self)

    def _leave(self, *, reset: bool) -> None:
        """Close the client's side, with RST if asked."""
        if not reset:
            shut(self.client)
            return
        with contextlib.suppress(OSError):
            self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.client.shutdown(socket.SHUT_RD)  # wakes our own recv, which would hold the RST back
        self.client.close()

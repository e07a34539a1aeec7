"""One connection through the proxy, and what a fault does to it."""

import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING

from tests.servers.faults import Fault, gateway_answer, http_date, shut
from tests.servers.framing import Framer, HttpFramer, LineFramer, Piece, RawFramer

if TYPE_CHECKING:
    from tests.servers.proxy import FaultProxy

FRAMERS: dict[str, type[Framer]] = {"http": HttpFramer, "line": LineFramer, "raw": RawFramer}


class Link:
    """One client's connection and its own one to the server, with the fault that is armed for it, if any."""

    def __init__(self, proxy: "FaultProxy", client: socket.socket) -> None:
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
        self.asked = False
        """Was a request sent whose answer has not begun to come?"""

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
        self.asked = self.asked or piece.last
        fault, data = self.armed, piece.data
        if fault is not None and fault.action == "header":
            data = data.removesuffix(b"\r\n") + fault.header + b"\r\n\r\n"
            self.armed = None
            self.proxy.note(fault)
        elif fault is not None and fault.where == "request":
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
        data = self._dated(data)
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

    def _dated(self, data: bytes) -> bytes:
        """Given a piece of an answer, return it, with a Date line if it is a head and the proxy has its own clock."""
        began, self.asked = self.asked, False
        status, end, rest = data.partition(b"\r\n")
        if not began or self.proxy.ahead is None or self.proxy.protocol != "http":
            return data
        return status + end + f"Date: {http_date(self.proxy.ahead)}\r\n".encode() + rest

    def _strike(self, fault: Fault) -> bool:
        """Given a fault whose moment has come, do it. Return whether the connection is over."""
        if fault.action == "gateway":
            self.client.sendall(gateway_answer(fault.status))
            self.end(reset=False, only_client=fault.where == "sent")
            self.proxy.note(fault)
            return True
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

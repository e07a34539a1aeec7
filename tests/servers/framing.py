"""Where a request begins and ends in a stream of bytes, so that the proxy can count and break single requests."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol


class Piece(NamedTuple):
    """Some bytes of one request: whether they begin it and whether they end it."""

    data: bytes
    first: bool
    last: bool


class Framer(Protocol):
    """Cuts what a client sends into requests."""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Given bytes as they arrive, yield the pieces that can be passed on."""
        ...


class RawFramer:
    """Takes every piece that arrives as a request: for TLS, where nothing can be read."""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Given bytes, yield them as one request."""
        yield Piece(data, first=True, last=True)


class LineFramer:
    """Takes every line as a request (IMAP, POP3, SMTP; the lines of a literal count as well)."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Given bytes, yield each line that is complete, and hold the rest until it is."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            yield Piece(line + b"\n", first=True, last=True)


class HttpFramer:
    """HTTP/1.1 requests by Content-Length or chunks (RFC 9112); a head is held until it is complete."""

    def __init__(self) -> None:
        self.head = b""
        self.body_left = 0
        self.chunked = False
        self.end = b""

    def feed(self, data: bytes) -> Iterator[Piece]:
        """Given bytes, yield whole heads and pieces of bodies."""
        while data:
            if self.chunked:
                piece, data = self._chunks(data)
            elif self.body_left:
                now, data = data[: self.body_left], data[self.body_left :]
                self.body_left -= len(now)
                piece = Piece(now, first=False, last=not self.body_left)
            else:
                head, found, data = (self.head + data).partition(b"\r\n\r\n")
                if not found:
                    self.head = head
                    return
                self.head = b""
                self._measure(head)
                piece = Piece(head + found, first=True, last=not self.body_left and not self.chunked)
            yield piece

    def _measure(self, head: bytes) -> None:
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
        self.chunked = b"chunked" in fields.get(b"transfer-encoding", b"")
        self.body_left = 0 if self.chunked else int(fields.get(b"content-length", b"0"))
        self.end = b""

    def _chunks(self, data: bytes) -> tuple[Piece, bytes]:
        seen = self.end + data
        at = seen.find(b"\r\n0\r\n\r\n")
        if at < 0:
            self.end = seen[-6:]
            return Piece(data, first=False, last=False), b""
        self.chunked = False
        cut = at + 7 - len(self.end)
        return Piece(data[:cut], first=False, last=True), data[cut:]

"""What can go wrong on a connection, as values, and the two things a socket needs for it."""

import contextlib
import email.utils
import socket
import time
from dataclasses import dataclass
from typing import Literal

FAIL_HEADER = b"X-Mailbridge-Fail"
"""What tells a Redmine of the tests (`plugin/mailbridge_faults`) to fail: `after-save` or `before-save`."""
FAILS_AFTER_SAVE = "fail-after-save"
"""A word whose issue, or note, is saved and answered with a 500 each time that it is sent."""
PAGE = """<html>\r
<head><title>{title}</title></head>\r
<body>\r
<center><h1>{title}</h1></center>\r
<hr><center>nginx/1.22.1</center>\r
</body>\r
</html>\r
"""
TITLES = {502: "502 Bad Gateway", 504: "504 Gateway Time-out"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to go wrong, once.

    `where` is the moment, counted from the first request (an HTTP request, an IMAP line) that contains `match`,
    after `skip` such requests have passed unharmed:

    - `connect`: a connection is accepted (nothing is matched).
    - `request`: `after` bytes of the request went to the server; the rest never does.
    - `sent`: the whole request went to the server; nothing of the response comes back. The server does not learn
      that the client has gone (as when a cable is cut), because puma drops a request whose client hung up.
    - `response`: the server has answered, and `after` bytes of its answer went to the client.

    `action` is what happens then: `reset` (RST), `close` (FIN, as if all were well), `stall` (silence until
    `release()`), `delay` (silence for `seconds`, then everything goes on), `corrupt` (of a response: what comes next
    is replaced by `junk`, byte for byte, and everything goes on), `gateway` (of `sent` or `response`: in place of the
    answer comes what nginx says with this `status`, 502 or 504, and the connection ends), `header` (of `request`: it
    goes on with the line `header` added to its head).
    """

    where: Literal["connect", "request", "sent", "response"]
    action: Literal["reset", "close", "stall", "delay", "corrupt", "gateway", "header"] = "reset"
    match: bytes = b""
    after: int = 0
    skip: int = 0
    seconds: float = 0.0
    junk: bytes = b"\xff\x00"
    status: int = 502
    header: bytes = b""


def failing(match: bytes, when: Literal["after-save", "before-save"] = "after-save", skip: int = 0) -> Fault:
    """Given what a request contains, return the fault with which Redmine itself answers it with a 500, after it has
    saved what was asked, or without.
    """
    return Fault("request", "header", match, skip=skip, header=FAIL_HEADER + b": " + when.encode())


def gateway_answer(status: int) -> bytes:
    """Given 502 or 504, return what nginx answers in place of a server that it cannot reach or that is late."""
    title = TITLES[status]
    page = PAGE.format(title=title).encode()
    head = (
        f"HTTP/1.1 {title}\r\nServer: nginx/1.22.1\r\nDate: {http_date()}\r\nContent-Type: text/html\r\n"
        f"Content-Length: {len(page)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + page


def http_date(ahead: float = 0) -> str:
    """Given seconds, return the time so far ahead of ours as a Date line has it (RFC 9110, 5.6.7)."""
    return email.utils.formatdate(time.time() + ahead, usegmt=True)


def listener(port: int) -> socket.socket:
    """Given a port, or 0 for any, return a socket that listens there on loopback."""
    return socket.create_server(("127.0.0.1", port), backlog=128)


def shut(connection: socket.socket) -> None:
    """Given a socket, end it in both directions and close it, whoever waits on it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

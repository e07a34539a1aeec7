"""What can go wrong on a connection, as values, and the two things a socket needs for it."""

import contextlib
import socket
from dataclasses import dataclass
from typing import Literal


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
    is replaced by `junk`, byte for byte, and everything goes on).
    """

    where: Literal["connect", "request", "sent", "response"]
    action: Literal["reset", "close", "stall", "delay", "corrupt"] = "reset"
    match: bytes = b""
    after: int = 0
    skip: int = 0
    seconds: float = 0.0
    junk: bytes = b"\xff\x00"


def listener(port: int) -> socket.socket:
    """Given a port, or 0 for any, return a socket that listens there on loopback."""
    return socket.create_server(("127.0.0.1", port), backlog=128)


def shut(connection: socket.socket) -> None:
    """Given a socket, end it in both directions and close it, whoever waits on it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

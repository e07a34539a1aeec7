"""Until when the certificates of servers are valid, as seen by the connections of this process, which are made anyway.

Whoever opens a connection notes its certificate here; the service stores what is noted (`store/certificates.py`).
"""

import contextlib
import datetime as dt
import socket
import ssl
import threading

import idna

_lock = threading.Lock()
_noted: dict[str, float] = {}


def server_name(host: str, port: int) -> str:
    """Given a server's host and port, return the name by which its certificate is noted: connections know a host only
    in the form that DNS has, without brackets and without a final dot.
    """
    name = host.strip("[]").rstrip(".").lower()
    if not name.isascii():
        with contextlib.suppress(idna.IDNAError, UnicodeError):
            name = idna.encode(name, uts46=True).decode()
    return f"{name}:{port}"


def valid_until(sock: socket.socket | None) -> dt.datetime | None:
    """Given a socket, return when the server's certificate ends; None without TLS."""
    ask = getattr(sock, "getpeercert", None)  # TLS within the TLS of a proxy has a socket of urllib3's own
    certificate = ask() if ask is not None else None
    end = certificate.get("notAfter") if certificate else None
    return dt.datetime.fromtimestamp(ssl.cert_time_to_seconds(end), dt.UTC) if isinstance(end, str) else None


def note(host: str, port: int, sock: socket.socket | None) -> None:
    """Given a server and the socket of a connection to it, note when its certificate ends, if it has one."""
    until = valid_until(sock)
    if until is not None:
        with _lock:
            _noted[server_name(host, port)] = until.timestamp()


def take_noted() -> dict[str, float]:
    """What was noted since the last call: by server, the end in epoch seconds."""
    with _lock:
        noted = dict(_noted)
        _noted.clear()
    return noted

"""A server that answers with the bytes it is told to: for what a Redmine cannot be made to do on demand."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Script = Callable[["Seen"], bytes | None]


@dataclass(slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(slots=True)
class Tiny:
    """`script` maps a request to the raw answer; None closes the connection without one, b"" never answers."""

    url: str
    script: Script
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    ended: threading.Event = field(default_factory=threading.Event)


def answer(body: str | bytes = "", status: str = "200 OK", **headers: str) -> bytes:
    """Given a body and a status line, return the whole answer, as JSON unless a header says otherwise."""
    data = body.encode() if isinstance(body, str) else body
    fields = {"Content-Type": "application/json; charset=utf-8", "Content-Length": str(len(data))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + data


@contextmanager
def serve(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Tiny]:
    """Given a script, serve it on a loopback port until the end of the block, under TLS if a context is given."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        scheme = "http" if tls is None else "https"
        tiny = Tiny(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", script)
        thread = threading.Thread(target=accept, args=(tiny, listener, tls), daemon=True)
        thread.start()
        try:
            yield tiny
        finally:
            tiny.ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def accept(tiny: Tiny, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        tiny.connections += 1
        if tls is not None:
            try:
                connection = tls.wrap_socket(connection, server_side=True)
            except OSError:  # the client did not like the certificate
                connection.close()
                continue
        threading.Thread(target=talk, args=(tiny, connection), daemon=True).start()


def talk(tiny: Tiny, connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as stream:
        while line := stream.readline():
            method, target, protocol = ([*line.decode("latin-1").split(" ", 2), "", ""])[:3]
            if not protocol.startswith("HTTP/"):
                return
            headers = {}
            while (field_line := stream.readline()) not in (b"\r\n", b""):
                name, _, value = field_line.decode("latin-1").partition(":")
                headers[name.strip().lower()] = value.strip()
            body = stream.read(int(headers.get("content-length", "0")))
            seen = Seen(method, target, headers, body)
            tiny.seen.append(seen)
            said = tiny.script(seen)
            if said == b"":
                tiny.ended.wait(30)
            if not said:
                connection.shutdown(socket.SHUT_RDWR)
                return
            try:
                connection.sendall(said)
            except OSError:
                return
            if b"X-Close: yes" in said:
                connection.shutdown(socket.SHUT_RDWR)
                return

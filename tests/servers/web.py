"""A web server and a DNS server on loopback that say what a test wrote down, and remember what they were asked."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: the address that was meant, its method, headers in lower case, and body."""

    url: str
    method: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: status, content, and where it sends the asker."""

    status: int = 200
    content: bytes = b""
    location: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class WebServer:
    """Every web address of the world, as far as `pages` has it by its address without the query; else 404."""

    def __init__(self, pages: Mapping[str, Answer]) -> None:
        self.pages = pages
        self.asked: list[Asked] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            do_POST = do_GET  # noqa: N815 - the library's name

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def locate(self, url: str) -> str:
        """Given an address of the world, return where it is on this machine."""
        return f"http://127.0.0.1:{self._server.server_port}/{url.replace('://', '/', 1)}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        url = request.path.lstrip("/").replace("/", "://", 1)
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(url, request.command, headers, body))
        parts = urlsplit(url)
        found = self.pages.get(f"{parts.scheme}://{parts.netloc}{parts.path}", Answer(404))
        request.send_response(found.status)
        request.send_header("Content-Length", str(len(found.content)))
        for name, value in ({"Location": found.location} if found.location else {} | dict(found.headers)).items():
            request.send_header(name, value)
        request.end_headers()
        with contextlib.suppress(OSError):
            request.wfile.write(found.content)

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def web_server(pages: Mapping[str, Answer]) -> Iterator[WebServer]:
    """Given pages by address, serve them to the end of the block."""
    server = WebServer(pages)
    try:
        yield server
    finally:
        server.close()


@contextlib.contextmanager
def name_server(records: Mapping[tuple[str, str], list[str]]) -> Iterator[dns.resolver.Resolver]:
    """Given records by name and type (`("example.com", "MX"): ["10 mx.example.com."]`), serve them by DNS on loopback.

    Yield a resolver that asks there.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            wire, client = listener.recvfrom(4096)
            if not wire:
                return
            listener.sendto(_answer(dns.message.from_wire(wire), records).to_wire(), client)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = listener.getsockname()[1]
    try:
        yield resolver
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ender:
            ender.sendto(b"", listener.getsockname())
        thread.join()
        listener.close()


def _answer(query: dns.message.Message, records: Mapping[tuple[str, str], list[str]]) -> dns.message.Message:
    answer = dns.message.make_response(query)
    answer.flags |= dns.flags.RA
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    found = records.get((name, question.rdtype.name))
    if found:
        answer.answer.append(dns.rrset.from_text_list(question.name, 60, "IN", question.rdtype.name, found))
    elif not any(known == name for known, _ in records):
        answer.set_rcode(dns.rcode.NXDOMAIN)
    return answer

"""Slow and silent clients on a real socket cost nobody else: neither a place nor a thread."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import tomlkit

from redmine_mailbridge.settings.load import load_with_origins
from redmine_mailbridge.web.wiring import Pages
from tests.unit.web.site import values

SILENT, BEGUN = b"", b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
POST = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 60000\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n\r\nway="
SIZE = 12_000_000
"""Bytes of a large answer: more than the kernel takes off at once."""


def settings(folder: Path, **admin: Any) -> Path:
    file = folder / "settings.toml"
    file.write_text(tomlkit.dumps(values(listen="127.0.0.1:0", **admin)), "utf-8")
    file.chmod(0o600)
    return file


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[str]:
    """The pages, served; their address."""
    made = Pages(load_with_origins(settings(tmp_path), {}))
    yield made.server.address
    made.stop()


@contextmanager
def many(url: str, count: int, says: bytes, source: str = "127.0.0.1") -> Iterator[list[socket.socket]]:
    """Keep so many connections from an address of this machine that say no more than this."""
    place = urlsplit(url)
    with contextlib.ExitStack() as opened:
        made = []
        for _ in range(count):
            target = (place.hostname or "", place.port or 0)
            one = opened.enter_context(socket.create_connection(target, timeout=20, source_address=(source, 0)))
            with contextlib.suppress(OSError):  # an early one may have been let go already
                one.sendall(says)
            made.append(one)
        yield made


def healthy(url: str, **more: Any) -> bool:
    with requests.Session() as browser:
        browser.trust_env = False
        return "ok\n" == browser.get(f"{url}/healthz", timeout=20, **more).text


@pytest.mark.fault("V15")
@pytest.mark.parametrize("says", [SILENT, BEGUN, POST + FORM], ids=["nothing", "half a head", "half a form"])
def test_half_open_connections(pages: str, says: bytes) -> None:
    """Three hundred connections that never say the rest, from one address or another, shut nobody out."""
    with many(pages, 300, says):
        assert all(healthy(pages) for _ in range(5))
    with many(pages, 300, says, source="127.0.0.2"):
        assert all(healthy(pages) for _ in range(5))


def test_each_step_has_its_time(tmp_path: Path) -> None:
    """A connection that does not say the rest of its head or form in time, or takes nothing of an answer, is ended."""
    from redmine_mailbridge.settings.admin import AdminSettings
    from redmine_mailbridge.web.connections import ConnectionLimits
    from redmine_mailbridge.web.server import AdminServer

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            while (await receive()).get("more_body"):
                pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        given_up.set()

    given_up = threading.Event()
    limits = ConnectionLimits(head=0.3, untaken=0.3, look_every=0.05)
    server = AdminServer(application, AdminSettings(), "127.0.0.1:0", limits).start()
    try:
        for says in (SILENT, BEGUN, POST + FORM):
            with many(server.address, 1, says) as (one,):
                assert b"" == one.recv(1)
        with many(server.address, 1, BEGUN + b"1\r\n\r\n") as (one,):
            assert b"H" == one.recv(1)
            assert given_up.wait(20)
    finally:
        server.stop()


def test_tls_that_does_not_come(tmp_path: Path) -> None:
    """Who opens connections and speaks no TLS on them shuts nobody out either."""
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=desk -addext subjectAltName=IP:127.0.0.1"
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    file = settings(tmp_path, certificate_file=str(certificate), certificate_key_file=str(key))
    made = Pages(load_with_origins(file, {}))
    try:
        with many(made.server.address, 300, SILENT):
            assert healthy(made.server.address, verify=str(certificate))
        place = urlsplit(made.server.address)
        context = ssl.create_default_context(cafile=str(certificate))
        with (
            socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as one,
        ):
            one.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert one.recv(20).startswith(b"HTTP/1.1 200")
    finally:
        made.stop()


def test_who_is_being_served_is_not_let_go(pages: str) -> None:
    """Room is made by ending those that are waited for: a request under way is answered, whatever else comes."""
    with many(pages, 300, SILENT), requests.Session() as browser:
        browser.trust_env = False
        assert 200 == browser.get(f"{pages}/login", timeout=20).status_code
        with many(pages, 300, BEGUN, source="127.0.0.3"):
            assert 200 == browser.get(f"{pages}/login", timeout=20).status_code


@pytest.mark.fault("A13-P1")
@pytest.mark.parametrize("stops_after", [SIZE, SIZE // 2], ids=["takes all of it", "stops in the middle"])
def test_a_slow_line(tmp_path: Path, stops_after: int) -> None:
    """Who takes a large answer slowly but steadily gets all of it, for as long as that takes; who stops taking does not
    keep the connection for what went before.
    """
    from redmine_mailbridge.settings.admin import AdminSettings
    from redmine_mailbridge.web.connections import ConnectionLimits
    from redmine_mailbridge.web.server import AdminServer

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % SIZE)]})
        await send({"type": "http.response.body", "body": b"x" * SIZE})
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    gone = threading.Event()
    server = AdminServer(
        application, AdminSettings(), "127.0.0.1:0", ConnectionLimits(untaken=0.5, look_every=0.05)
    ).start()
    place, got = urlsplit(server.address), 0
    try:
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
            one.settimeout(20)
            one.connect((place.hostname, place.port))
            one.sendall(BEGUN + b"1\r\n\r\n")
            while got < stops_after and (part := one.recv(65_536)):
                got += len(part)
                time.sleep(0.01)  # this is how slow the line is
            assert stops_after <= got
            assert stops_after == SIZE or gone.wait(20)
    finally:
        server.stop()

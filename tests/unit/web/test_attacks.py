"""What a hostile outsider and somebody who was an administrator have tried on the pages, beside the first audit."""

import dataclasses
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import responses
import sqlalchemy as sa
import time_machine
from starlette.testclient import TestClient

from redmine_mailbridge.settings.load import load_with_origins
from redmine_mailbridge.store.health import SERVICE
from redmine_mailbridge.web import passwords
from redmine_mailbridge.web.routes import make
from redmine_mailbridge.web.wiring import Pages
from tests.product import mail
from tests.unit.web.site import PASSWORD, URL, Site
from tests.unit.web.test_rights import says, user
from tests.unit.web.test_serving import written

MULTIPART = b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 9\r\n\r\n--c\r\nx: y"
NONSENSE = (
    b"nonsense\r\n\r\n",
    b"GET /login HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nSec-Fetch-Site: same-origin\r\n%b" % MULTIPART,
)


@pytest.mark.fault("A13-1")
def test_strangers_write_no_lines(tmp_path: Path) -> None:
    """Requests that make no sense write nothing into the log, from whose last lines they would push all others."""
    line = [sys.executable, "-m", "redmine_mailbridge", "admin", "--settings", str(written(tmp_path))]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        place = urlsplit(process.stdout.readline().split()[-1])
        for says_ in NONSENSE:
            with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as one:
                one.sendall(says_)
                assert one.recv(4) == b"HTTP"
        process.terminate()
        _, said = process.communicate(timeout=30)
    assert ["admin.listening"] == [one for one in ("admin.listening", "Invalid", "upgrade", "boundary") if one in said]


@pytest.mark.fault("A13-2")
def test_the_numbers_are_none_of_who_is_none_any_more(site: Site, redmine: responses.RequestsMock) -> None:
    """A session of somebody who was demoted opens nothing where strangers have no right either."""
    browser = TestClient(make(site.desk), base_url=URL, follow_redirects=False, client=("192.0.2.1", 1))
    browser.headers["Sec-Fetch-Site"] = "same-origin"
    says(redmine, 200, user())
    assert 303 == browser.post("/login", data={"login": "jsmith", "password": "x"}).status_code
    assert 200 == browser.get("/metrics").status_code
    says(redmine, 200, user(admin=False))
    with time_machine.travel(site.desk.store.clock() + 310, tick=False):
        assert 403 == browser.get("/metrics").status_code
        assert 200 == browser.get("/login").status_code


def test_the_door_is_open_while_redmine_is_away(site: Site, redmine: responses.RequestsMock) -> None:
    """Whose rights nobody can tell any more gets to the form, and in by the local password."""
    says(redmine, 200, user())
    site.sign_in("x", way="", login="jsmith")
    says(redmine, 502, {})
    with time_machine.travel(site.desk.store.clock() + 3700, tick=False):
        assert 200 == site.browser.get("/login").status_code
        assert 303 == site.sign_in().status_code
        assert 200 == site.browser.get("/").status_code


@pytest.mark.fault("A13-3")
def test_nobody_ends_a_sign_in_by_code_who_is_none_any_more() -> None:
    """A sign-in at a mail provider that somebody has begun keeps nothing once the person may not go on."""
    from redmine_mailbridge.oauth.terminal_login import by_device

    class Signs:
        """A provider at which somebody has typed the code."""

        asked = 0

        def connection(self, _name: str) -> Any:
            return dataclasses.make_dataclass("C", ["account", "provider"])(
                "a", dataclasses.make_dataclass("P", ["title"])("P")
            )

        def begin_device(self, _name: str) -> Any:
            return dataclasses.make_dataclass("F", ["verification_uri", "user_code", "interval"])("u", "c", 0.0)

        def poll_device(self, _flow: object) -> None:
            self.asked += 1

    def may() -> None:
        raise PermissionError("no administrator any more")

    signs = Signs()
    with pytest.raises(PermissionError):
        by_device(signs, "work", lambda _line: None, pause=lambda _seconds: None, may=may)  # type: ignore[arg-type]
    assert 0 == signs.asked


@pytest.mark.fault("A13-4")
@pytest.mark.parametrize(("proxies", "listen"), [(["127.0.0.1/8"], "127.0.0.1:0"), (["127.0.0.1"], "[::]:0")])
def test_a_named_proxy_is_known_however_it_is_written(tmp_path: Path, proxies: list[str], listen: str) -> None:
    """A network with bits of a host in it, and an address that comes by a socket for IPv6, are the proxy meant."""
    pages = Pages(load_with_origins(written(tmp_path, proxies=proxies, listen=listen), {}))
    try:
        url = f"http://127.0.0.1:{urlsplit(pages.server.address).port}"
        headers = {"X-Forwarded-For": "203.0.113.9", "Origin": url, "Sec-Fetch-Site": "same-origin"}
        form = {"way": "password", "password": "wrong horse 10"}
        assert 403 == requests.post(f"{url}/login", data=form, headers=headers, timeout=20).status_code
        assert ["203.0.113.9"] == [line.address for line in pages._context.audit.lines()]
    finally:
        pages.stop()


@pytest.mark.fault("A13-5")
def test_a_new_sign_in_ends_the_old_one(site: Site) -> None:
    """A browser that signs in again leaves no session behind whose cookie somebody may have."""
    site.sign_in()
    old = site.browser.cookies["mailbridge_session"]
    site.sign_in()
    assert site.desk.sessions.find(site.browser.cookies["mailbridge_session"])
    assert None is site.desk.sessions.find(old)


@pytest.mark.fault("A13-6", "V4")
def test_a_mail_is_parsed_once(site: Site) -> None:
    """However often and however many at once look at a mail's page, its frame and its files, it is parsed once."""
    from redmine_mailbridge.web.read_messages import MessageViews

    read: list[str] = []

    def reading(content: bytes, mailbox: str, **more: Any) -> Any:
        read.append(mailbox)
        return site.desk.planner.read(content, mailbox, **more)

    row = site.keep(mail("x", files={"a.txt": b"abc"}), subject="x")
    site.sign_in()
    pages = make(dataclasses.replace(site.desk, seen=MessageViews(reading)))
    together = threading.Barrier(4, timeout=30)

    def look(path: str) -> int:
        browser = TestClient(pages, base_url=URL, cookies=dict(site.browser.cookies))
        together.wait()
        return browser.get(f"/messages/{row.id}{path}").status_code

    with ThreadPoolExecutor(4) as threads:
        assert [200] * 4 == list(threads.map(look, ("", "/original", "/attachments/0", "")))
    assert ["support"] == read


@pytest.mark.fault("A13-8")
def test_a_stranger_has_no_mails_counted(site: Site) -> None:
    """Whoever asks whether the service is ready, however often, has the store look at its mails every five seconds: at
    those that wait for a person, not at all.
    """
    site.desk.health.note(SERVICE, None, "running")
    said: list[str] = []
    engine = site.desk.store.database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda _c, _cursor, line, *_more: said.append(line.lower()))
    assert {200} == {site.browser.get("/readyz").status_code for _ in range(20)}
    (counted,) = [line for line in said if "from mail\n" in line or "from mail " in line]
    assert "mail.state in" in counted
    assert len(said) < 20


@pytest.mark.fault("A13-7")
def test_a_slow_redmine_keeps_nobody_from_the_local_password(tmp_path: Path) -> None:
    """While sign-ins from many addresses wait for a Redmine that does not answer, the local password opens."""
    import tomlkit

    from tests.unit.web.site import values

    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        tree = values(listen="127.0.0.1:0", proxies=["127.0.0.1"])
        tree["redmine"]["url"] = f"http://127.0.0.1:{silent.getsockname()[1]}"
        file = tmp_path / "settings.toml"
        file.write_text(tomlkit.dumps(tree), "utf-8")
        file.chmod(0o600)
        passwords.keep(tmp_path / "admin-password", PASSWORD)
        pages = Pages(load_with_origins(file, {}))
        url = pages.server.address
        with ThreadPoolExecutor(44) as threads:

            def guess(number: int) -> None:
                headers = {"X-Forwarded-For": f"192.0.2.{number}", "Origin": url, "Sec-Fetch-Site": "same-origin"}
                requests.post(
                    f"{url}/login", data={"login": f"u{number}", "password": "x"}, headers=headers, timeout=120
                )

            for number in range(44):
                threads.submit(guess, number)
            silent.settimeout(30)
            waiting = [silent.accept()[0] for _ in range(4)]
            try:
                headers = {"Origin": url, "Sec-Fetch-Site": "same-origin", "X-Forwarded-For": "198.51.100.1"}
                form = {"way": "password", "password": PASSWORD}
                answer = requests.post(f"{url}/login", data=form, headers=headers, timeout=8, allow_redirects=False)
                assert 303 == answer.status_code
            finally:
                silent.close()
                for one in waiting:
                    one.close()
                pages.stop()

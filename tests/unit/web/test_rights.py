"""Who was an administrator and is none any more does nothing more on the pages."""

import secrets
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import responses
import time_machine
import tomlkit

from redmine_mailbridge.settings.load import load_with_origins
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.web import passwords
from redmine_mailbridge.web.wiring import Pages
from tests.servers.web import Answer, web_server
from tests.unit.web.site import PASSWORD, REDMINE, Site, values

ME = f"{REDMINE}/users/current.json"
OURS = {"Sec-Fetch-Site": "same-origin"}


def user(*, admin: bool = True, login: str = "jsmith") -> dict[str, Any]:
    who = {"id": 7, "login": login, "firstname": "Jo", "lastname": "Smith", "admin": admin, "api_key": "key-of-jo"}
    return {"user": who}


def says(redmine: responses.RequestsMock, status: int, body: dict[str, Any]) -> None:
    """Redmine answers so from now on."""
    redmine.reset()
    redmine.get(ME, json=body, status=status)


@pytest.fixture
def jo(site: Site, redmine: responses.RequestsMock) -> Site:
    """The pages, with an administrator of Redmine signed in."""
    says(redmine, 200, user())
    assert 303 == site.sign_in("top secret", way="", login="jsmith").status_code
    return site


def stopped(site: Site) -> bool:
    return TaskState(site.desk.store.database, site.desk.store.clock).stopped


@pytest.mark.fault("V10")
@pytest.mark.parametrize(
    ("status", "body"),
    [(200, user(admin=False)), (401, {}), (403, {}), (200, user(login="somebody-else"))],
    ids=["demoted", "locked", "forbidden", "another login"],
)
def test_no_change_by_who_is_none_any_more(
    jo: Site, redmine: responses.RequestsMock, status: int, body: dict[str, Any]
) -> None:
    """An administrator who was demoted or locked a moment ago changes nothing, and is out."""
    says(redmine, status, body)
    answer = jo.browser.post("/tasks/switch", data={"do": "stop"})

    assert (403, False) == (answer.status_code, stopped(jo))
    assert "sign in again" in answer.text
    says(redmine, 200, user())
    assert "/login" == jo.browser.get("/").headers["location"]
    assert ["signed out", "signed in"] == [line.action for line in jo.desk.audit.lines()]


@pytest.mark.fault("V10")
def test_no_look_by_who_is_none_any_more(jo: Site, redmine: responses.RequestsMock) -> None:
    """Pages and what they ask for by themselves are shown to who was demoted for a few minutes at most."""
    says(redmine, 200, user(admin=False))
    start = jo.desk.store.clock()
    with time_machine.travel(start + 200, tick=False):
        assert 200 == jo.browser.get("/log").status_code
    with time_machine.travel(start + 310, tick=False):
        answer = jo.browser.get("/log/new", headers={"HX-Request": "true"})
        assert (401, "true") == (answer.status_code, answer.headers["HX-Refresh"])
        assert 303 == jo.browser.get("/log").status_code


def test_the_rights_are_asked_with_the_persons_own_key(jo: Site, redmine: responses.RequestsMock) -> None:
    """Redmine is asked with the key of the person, at a change and every five minutes, and not at each look; the key
    is in no file of the store.
    """
    says(redmine, 200, user())
    for _ in range(3):
        jo.browser.get("/")
    assert 0 == len(redmine.calls)
    jo.browser.post("/tasks/switch", data={"do": "stop"})
    assert ["key-of-jo"] == [one.request.headers["X-Redmine-API-Key"] for one in redmine.calls]
    with time_machine.travel(jo.desk.store.clock() + 310, tick=False):
        for _ in range(3):
            assert 200 == jo.browser.get("/").status_code
    assert 2 == len(redmine.calls)
    database = jo.desk.settings.store.sqlite_file
    assert database is not None
    assert b"key-of-jo" not in b"".join(file.read_bytes() for file in database.parent.glob("mailbridge.db*"))


def test_while_redmine_is_away(jo: Site, redmine: responses.RequestsMock) -> None:
    """While Redmine cannot be asked nothing is changed, and a line says why; for an hour pages can be looked at."""
    says(redmine, 502, {})
    answer = jo.browser.post("/tasks/switch", data={"do": "stop"})
    assert (503, False) == (answer.status_code, stopped(jo))
    assert "cannot be verified at the moment, so nothing was changed" in answer.text

    start = jo.desk.store.clock()
    for minutes in (6, 30, 58):
        with time_machine.travel(start + minutes * 60, tick=False):
            assert [200, 200] == [jo.browser.get("/").status_code for _ in range(2)]
    assert 4 == len(redmine.calls)
    with time_machine.travel(start + 61 * 60, tick=False):
        assert 503 == jo.browser.get("/").status_code
        says(redmine, 200, user())
        assert 200 == jo.browser.get("/").status_code


@pytest.mark.fault("V10")
def test_another_local_password(site: Site, tmp_path: Path) -> None:
    """A new local password ends the sessions that the old one began."""
    site.sign_in()
    assert 200 == site.browser.get("/").status_code
    passwords.keep(tmp_path / "admin-password", "another horse 10")
    assert 403 == site.browser.get("/").status_code
    assert 303 == site.browser.get("/").status_code


def test_signing_out_asks_nobody(jo: Site, redmine: responses.RequestsMock) -> None:
    """Who wants to leave may, whatever Redmine says."""
    says(redmine, 502, {})
    assert "/login" == jo.browser.post("/logout").headers["location"]
    assert 0 == len(redmine.calls)


@contextmanager
def listening(folder: Path, redmine: str) -> Iterator[str]:
    """Serve the pages on a socket before a Redmine; yield their address."""
    tree = values(listen="127.0.0.1:0")
    tree["redmine"]["url"] = redmine
    file = folder / "settings.toml"
    file.write_text(tomlkit.dumps(tree), "utf-8")
    file.chmod(0o600)
    passwords.keep(folder / "admin-password", PASSWORD)
    pages = Pages(load_with_origins(file, {}))
    try:
        yield pages.server.address
    finally:
        pages.stop()


@pytest.mark.fault("V16")
def test_attempts_at_once(tmp_path: Path) -> None:
    """Forty sign-ins with one login that are sent at the same moment bring no more than five to Redmine."""
    together = threading.Barrier(40, timeout=30)
    with (
        web_server({ME: Answer(401)}) as redmine,
        listening(tmp_path, redmine.locate(REDMINE)) as url,
        ThreadPoolExecutor(40) as threads,
    ):

        def attempt(number: int) -> int:
            form = {"login": "jsmith", "password": f"guess {number}"}
            together.wait()
            return requests.post(f"{url}/login", data=form, headers=OURS | {"Origin": url}, timeout=60).status_code

        assert {403} == set(threads.map(attempt, range(40)))
        assert 1 <= len(redmine.asked) <= 5


@pytest.mark.fault("V16")
def test_attempts_from_many_addresses(site: Site, redmine: responses.RequestsMock) -> None:
    """Twenty wrong passwords for a login within a quarter of an hour, from as many addresses, and it is closed to
    addresses from which nobody has signed in lately; the address of an administrator stays open.
    """
    says(redmine, 200, user())
    assert 303 == site.sign_in("top secret", way="", login="jsmith").status_code
    says(redmine, 401, {})
    for number in range(20):
        with pytest.raises(Exception, match="does not accept"):
            site.desk.door.enter("jsmith", "x", local=False, address=f"192.0.2.{number}")
    with pytest.raises(Exception, match="Too many attempts"):
        site.desk.door.enter("jsmith", "x", local=False, address="198.51.100.1")
    assert 20 == len(redmine.calls)
    says(redmine, 200, user())
    assert 303 == site.sign_in("top secret", way="", login="jsmith").status_code


@pytest.mark.fault("V16")
def test_a_network_is_one_address(site: Site, redmine: responses.RequestsMock) -> None:
    """Who has a /64 of IPv6, as each customer of a provider has, has no more attempts than who has one address."""
    says(redmine, 401, {})
    for number in range(5):
        with pytest.raises(Exception, match="does not accept"):
            site.desk.door.enter("jsmith", "x", local=False, address=f"2001:db8:1:2::{number:x}")
    with pytest.raises(Exception, match="Too many attempts"):
        site.desk.door.enter("jsmith", "x", local=False, address="2001:db8:1:2:ffff::1")


@pytest.mark.fault("L9")
@pytest.mark.parametrize("path", ["/explain", "/messages/decide", "/nothing-there"])
def test_an_upload_of_a_stranger_is_not_read(tmp_path: Path, path: str) -> None:
    """Who is not signed in is sent to the door before what is sent is read, and long before all of it has come."""
    with listening(tmp_path, REDMINE) as url:
        place = urlsplit(url)
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=10) as connection:
            connection.sendall(
                f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nSec-Fetch-Site: same-origin\r\n"
                "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 40000000\r\n\r\n"
                f"--b\r\nContent-Disposition: form-data; name=mail; filename={secrets.token_hex(4)}\r\n\r\n".encode()
            )
            assert b"303" == connection.recv(12)[9:12]


def test_a_sign_in_takes_no_file(site: Site) -> None:
    """The one form that strangers may send takes two short words: no file, and no megabyte."""
    form = {"way": "password", "password": PASSWORD}
    assert 400 == site.browser.post("/login", data=form, files={"mail": ("a", b"x" * 10)}).status_code
    assert 413 == site.browser.post("/login", data=form | {"login": "x" * 100_000}).status_code


@pytest.mark.fault("A13-P2")
@pytest.mark.parametrize("login", ["jo:{}", "jo:", "jó{}", "jo\u200b{}"])
def test_other_spellings_of_one_login(site: Site, redmine: responses.RequestsMock, login: str) -> None:
    """A login that Redmine cannot have is not asked about: some databases take it for another one, and its tries would
    be counted apart.
    """
    redmine.add("GET", f"{REDMINE}/users/current.json", status=401)
    for number in range(4):
        answer = site.sign_in(way="redmine", login=login.format("x" * number), password="a guess")
        assert (403, "Redmine does not accept that" in answer.text) == (answer.status_code, True)
    assert 0 == len(redmine.calls)

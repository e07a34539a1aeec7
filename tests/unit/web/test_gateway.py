"""Signing in where a gateway with a login of its own stands before Redmine."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomlkit

from tests.product import merged
from tests.unit.redmine.tiny import Seen, Tiny, answer, serve
from tests.unit.web.site import Site, values

KEY = "0123456789abcdef0123456789abcdef01234567"
ME = json.dumps(
    {"user": {"id": 7, "login": "jsmith", "firstname": "Jo", "lastname": "S.", "admin": True, "api_key": KEY}}
)


def gateway(seen: Seen) -> bytes:
    """A gateway that asks for bridge:words, and Redmine behind it, which knows one key and no password."""
    headers = {name.lower(): value for name, value in seen.headers.items()}
    if headers.get("authorization") != "Basic " + base64.b64encode("bridge:wörds".encode()).decode():
        return answer("<html>", "401 Unauthorized", Content_Type="text/html", WWW_Authenticate='Basic realm="Staff"')
    if headers.get("x-redmine-api-key") != KEY:
        return answer("", "401 Unauthorized", WWW_Authenticate='Basic realm="Redmine API"')
    return answer(ME)


@pytest.fixture
def server() -> Iterator[Tiny]:
    with serve(gateway) as made:
        yield made


def signed_in(folder: Path, server: Tiny, login: str, **redmine: str) -> tuple[int, str]:
    """Sign in with these settings, and look at a page. Return status and text of what is answered."""
    file = folder / "settings.toml"
    file.write_text(tomlkit.dumps(merged(values(), {"redmine": {"url": server.url, **redmine}})), "utf-8")
    with Site.of(file) as site:
        entered = site.sign_in("anything", way="", login=login)
        return (
            site.browser.get("/tasks").status_code if entered.status_code == 303 else entered.status_code
        ), entered.text


@pytest.mark.fault("M13")
def test_by_key_behind_a_gateway(tmp_path: Path, server: Tiny) -> None:
    """The gateway gets its own login with each question and Redmine the person's key, at the sign-in and after it."""
    own = {"gateway_user": "bridge", "gateway_password": "wörds"}
    assert 200 == signed_in(tmp_path, server, KEY, **own)[0]


@pytest.mark.fault("M13")
def test_no_password_gets_through_a_gateway(tmp_path: Path, server: Tiny) -> None:
    """What takes the place of a password there is said; nobody's password goes to the gateway."""
    status, said = signed_in(tmp_path, server, "jsmith", gateway_user="bridge", gateway_password="wörds")
    assert (403, True) == (status, "type your API key (My account) as the login" in said)
    sent = [value for seen in server.seen for value in seen.headers.values() if value.startswith("Basic ")]
    assert {"bridge:wörds"} == {base64.b64decode(value.removeprefix("Basic ")).decode() for value in sent}


@pytest.mark.fault("M13")
@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({}, "set [redmine] gateway_user"),
        ({"gateway_user": "bridge", "gateway_password": "wrong"}, "does not accept [redmine] gateway_user"),
    ],
)
def test_a_gateway_that_says_no_is_told_as_one(tmp_path: Path, server: Tiny, own: dict[str, str], words: str) -> None:
    """A gateway's 401 is not told as a wrong password of the person who signs in."""
    status, said = signed_in(tmp_path, server, "jsmith", **own)
    assert (403, True, False) == (status, words in said, "Redmine does not accept that" in said)

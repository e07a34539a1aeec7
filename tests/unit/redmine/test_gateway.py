"""What stands in front of Redmine: a login of its own, a smaller limit, gzip, a path, pages of maintenance."""

import base64
import gzip
import json
from pathlib import Path

import pytest

from redmine_mailbridge.errors import RedmineRefused, RedmineUnavailable, SettingsError
from redmine_mailbridge.redmine.client import Client, SizedBody
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.wiring.redmine import redmine_client
from tests.unit.redmine.tiny import Script, Seen, Tiny, answer, serve

ME = json.dumps({"user": {"id": 5, "login": "bridge"}})
PAGE = "<html><head><title>Says nginx</title></head></html>"
SETTINGS = """
[redmine]
url = "{url}/tracker"
api_key = "the-key"
{more}
[store]
url = "sqlite:///bridge.db"
[mailboxes.desk]
address = "desk@example.com"
host = "localhost"
password = "secret"
issue.project = "desk"
"""


def client_of(tiny: Tiny, folder: Path, more: str = "") -> Client:
    """The client of settings with these further lines."""
    file = folder / "settings.toml"
    file.write_text(SETTINGS.format(url=tiny.url, more=more), "utf-8")
    return redmine_client(load(file, {}).redmine)


def gateway(user: str, password: str) -> Script:
    """An nginx that asks for this login before Redmine, which has a path, is asked."""
    right = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def script(seen: Seen) -> bytes:
        headers = {name.lower(): value for name, value in seen.headers.items()}
        if headers.get("authorization") != right:
            wants = {"Content_Type": "text/html", "WWW_Authenticate": 'Basic realm="Staff"', "Server": "nginx/1.22.1"}
            return answer(PAGE, "401 Unauthorized", **wants)
        if headers.get("x-redmine-api-key") != "the-key" or seen.path != "/tracker/users/current.json":
            return answer("", "401 Unauthorized", WWW_Authenticate='Basic realm="Redmine API"')
        return answer(ME)

    return script


@pytest.mark.fault("M13")
def test_a_login_before_redmine(tmp_path: Path) -> None:
    """User and password of the settings go to the gateway with each request, and the key to Redmine behind it."""
    (tmp_path / "password").write_text("ünsafe:words\n", "utf-8")
    more = f'gateway_user = "bridge"\ngateway_password_file = "{tmp_path}/password"\n'
    with serve(gateway("bridge", "ünsafe:words")) as tiny:
        assert 5 == client_of(tiny, tmp_path, more).whoami()["id"]


@pytest.mark.fault("M13")
@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "set [redmine] gateway_user and gateway_password_file"),
        ('gateway_user = "bridge"\ngateway_password = "wrong-words"\n', "does not accept [redmine] gateway_user"),
    ],
)
def test_whose_login_is_wanting(tmp_path: Path, more: str, words: str) -> None:
    """A gateway's 401 is told as the gateway's, with what to set, and not as a wrong API key."""
    with serve(gateway("bridge", "right")) as tiny, pytest.raises(RedmineUnavailable) as raised:
        client_of(tiny, tmp_path, more).whoami()
    assert words in str(raised.value)
    assert "nginx/1.22.1" in str(raised.value)
    assert "API key" not in str(raised.value)
    assert "wrong-words" not in str(raised.value)


def test_a_wrong_key_is_redmines(tmp_path: Path) -> None:
    """Redmine's own 401 is told as a wrong key."""
    said = answer("", "401 Unauthorized", WWW_Authenticate='Basic realm="Redmine API"')
    with serve(lambda _seen: said) as tiny, pytest.raises(RedmineUnavailable, match="does not accept the API key"):
        client_of(tiny, tmp_path).whoami()


@pytest.mark.fault("M13")
def test_a_user_without_a_password(tmp_path: Path) -> None:
    """A gateway_user without a password is told when the settings are read."""
    with serve(gateway("bridge", "right")) as tiny, pytest.raises(SettingsError, match="gateway_password"):
        client_of(tiny, tmp_path, 'gateway_user = "bridge"\n')


@pytest.mark.fault("M13")
def test_a_smaller_limit(tmp_path: Path) -> None:
    """A gateway that takes less than Redmine does is named, with what to change; it is this one request's refusal."""
    said = answer(PAGE, "413 Request Entity Too Large", Server="nginx", Content_Type="text/html")
    with serve(lambda _seen: said) as tiny, pytest.raises(RedmineRefused) as raised:
        client_of(tiny, tmp_path).upload([("filename", "a.bin")], SizedBody(lambda: iter([b"x" * 1000]), 1000))
    assert "gateway" in str(raised.value)
    assert "client_max_body_size" in str(raised.value)
    assert 413 == raised.value.status


def test_gzip_although_it_was_not_asked_for(tmp_path: Path) -> None:
    """An answer that the gateway has packed is read."""
    with serve(lambda _seen: answer(gzip.compress(ME.encode()), Content_Encoding="gzip")) as tiny:
        assert 5 == client_of(tiny, tmp_path).whoami()["id"]


@pytest.mark.parametrize("status", ["200 OK", "503 Service Unavailable", "502 Bad Gateway", "404 Not Found"])
def test_maintenance(tmp_path: Path, status: str) -> None:
    """A page of maintenance, under whatever status, is an outage: nothing is refused for it."""
    said = answer(PAGE, status, Content_Type="text/html")
    with serve(lambda _seen: said) as tiny, pytest.raises(RedmineUnavailable):
        client_of(tiny, tmp_path).get("/projects/desk.json")

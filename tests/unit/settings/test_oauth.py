"""Providers in the settings: what loads, what is refused, and which sign-in serves which mailbox."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from redmine_mailbridge.errors import LoginRefused, SettingsError
from redmine_mailbridge.oauth.client import ProviderClient
from redmine_mailbridge.oauth.model import Grant
from redmine_mailbridge.wiring.oauth import connections, outgoing_connection
from redmine_mailbridge.wiring.sending import sent_by
from tests.unit.settings.test_cross_checks import BOX, loaded, refused

GOOGLE = {"preset": "google", "client_id": "id", "client_secret": "s"}
MICROSOFT = {"preset": "microsoft365", "client_id": "id"}
DESK = {name: value for name, value in BOX.items() if name != "password"} | {"oauth": "p"}


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ({"client_id": "id"}, "preset: set exactly one of preset, issuer and token_endpoint"),
        (GOOGLE | {"issuer": "https://id.example.com"}, 'preset = "google": set exactly one'),
        ({"issuer": "http://id.example.com", "client_id": "id"}, "must start with https://: tokens are sent there"),
        ({"issuer": "https://u:p@id.example.com", "client_id": "id"}, "must be only the address"),
        ({"issuer": "https://id.example.com"}, "client_id: is missing"),
        ({"token_endpoint": "https://id.example.com/t", "client_id": "id"}, "for people to sign in"),
        (MICROSOFT | {"grant": "client_credentials"}, "client_secret_file: is missing: client credentials require it"),
        (MICROSOFT | {"grant": "client_credentials", "client_secret": "s"}, "tenant: must name the directory"),
        (GOOGLE | {"grant": "service_account"}, "service_account_file: is missing"),
        (GOOGLE | {"tenant": "example.com"}, 'tenant = "example.com": applies only with preset'),
    ],
)
def test_a_provider_that_cannot_be_asked(tmp_path: Path, provider: dict[str, Any], words: str) -> None:
    """What is missing or contradicts itself is named."""
    assert words in refused(tmp_path, {"a": DESK}, oauth={"p": provider})


@pytest.mark.parametrize(
    ("box", "words"),
    [
        (DESK | {"oauth": "gogle"}, '[oauth.gogle] does not exist, did you mean "google"?'),
        (DESK | {"password": "x"}, "cannot be combined with a password; set only one of the two"),
        (DESK | {"login": "plain"}, "does not use a token"),
        (BOX | {"login": "xoauth2"}, "uses a token: set oauth"),
    ],
)
def test_a_mailbox_that_contradicts_itself(tmp_path: Path, box: dict[str, Any], words: str) -> None:
    """A name without a provider, and a password or a login that do not go with a token, are refused."""
    assert words in refused(tmp_path, {"a": box}, oauth={"p": GOOGLE, "google": GOOGLE})


OUT = {"host": "smtp.example.com"}


@pytest.mark.parametrize(
    ("box", "outgoing", "serves", "needed"),
    [
        (DESK | {"outgoing": OUT}, {}, "a", ["a"]),
        (DESK | {"outgoing": OUT | {"password": "x"}}, {}, None, ["a"]),
        (DESK | {"outgoing": OUT | {"username": ""}}, {}, None, ["a"]),
        (DESK | {"outgoing": OUT | {"oauth": "q"}}, {}, "a/outgoing", ["a", "a/outgoing"]),
        (BOX | {"outgoing": OUT | {"oauth": "q"}}, {}, "a/outgoing", ["a/outgoing"]),
        (BOX, OUT | {"oauth": "q", "username": "mail@example.com"}, "outgoing", ["outgoing"]),
        (DESK, OUT | {"password": "x"}, None, ["a"]),
        (DESK, OUT | {"oauth": "p"}, "a", ["a"]),
        (BOX, OUT, None, []),
    ],
)
def test_whose_tokens_send(
    tmp_path: Path, box: dict[str, Any], outgoing: dict[str, Any], serves: str | None, needed: list[str]
) -> None:
    """The mailbox's own sign-in sends, unless the table that says how to send says otherwise."""
    settings = loaded(tmp_path, {"a": box}, outgoing=outgoing, oauth={"p": GOOGLE, "q": MICROSOFT})
    assert serves == outgoing_connection("a", settings.mailboxes["a"], settings)
    assert needed == list(connections(settings))


def test_who_signs_in(tmp_path: Path) -> None:
    """For a shared mailbox it is the one who has the right to it; for a mailbox of one's own it is its address."""
    shared = DESK | {"username": "jane@example.com\\shared@example.com"}
    found = connections(loaded(tmp_path, {"a": DESK, "b": shared}, oauth={"p": GOOGLE}))
    assert {"a": "a@example.com", "b": "jane@example.com"} == {name: one.account for name, one in found.items()}


def test_google(tmp_path: Path) -> None:
    """Google's addresses, the one scope for mail, a refresh token at each sign-in, and no device code."""
    (one,) = connections(loaded(tmp_path, {"a": DESK}, oauth={"p": GOOGLE})).values()
    client = ProviderClient(one.provider)
    url = urlsplit(client.authorization_url("http://127.0.0.1:1/", "state", "v" * 50, one.account))
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert ("accounts.google.com", "offline", "consent") == (url.netloc, asked["access_type"], asked["prompt"])
    assert ("S256", "a@example.com") == (asked["code_challenge_method"], asked["login_hint"])
    assert "https://mail.google.com/" in asked["scope"].split()
    with pytest.raises(LoginRefused, match="device codes for mail: sign in by browser"):
        client.device()


def test_microsoft(tmp_path: Path) -> None:
    """Microsoft's addresses are those of the tenant; a person and the application ask for different scopes."""
    by_itself = MICROSOFT | {"grant": "client_credentials", "client_secret": "s", "tenant": "firm.example"}
    boxes = {"a": DESK, "b": DESK | {"oauth": "q", "address": "b@example.com"}}
    person, application = connections(loaded(tmp_path, boxes, oauth={"p": MICROSOFT, "q": by_itself})).values()
    assert person.provider.endpoints is not None
    assert application.provider.endpoints is not None
    base = "https://login.microsoftonline.com"
    assert f"{base}/common/oauth2/v2.0/devicecode" == person.provider.endpoints.device
    assert f"{base}/firm.example/oauth2/v2.0/token" == application.provider.endpoints.token
    assert {"offline_access", "https://outlook.office.com/SMTP.Send"} <= set(person.provider.scopes)
    assert ("https://outlook.office365.com/.default",) == application.provider.scopes
    assert ("localhost", Grant.CLIENT_CREDENTIALS) == (person.provider.loopback, application.provider.grant)
    assert "client_secret='s'" not in repr(application.provider)


def test_a_mailbox_over_graph(tmp_path: Path) -> None:
    """Read over Graph, a mailbox asks Microsoft for Graph's scopes, and sends by a sign-in of its own."""
    box = DESK | {"protocol": "graph", "host": "graph.microsoft.com"}
    settings = loaded(
        tmp_path, {"a": box | {"outgoing": OUT}, "b": box | {"address": "b@example.com"}}, oauth={"p": MICROSOFT}
    )
    assert "a/outgoing" == outgoing_connection("a", settings.mailboxes["a"], settings)
    found = {name: one.provider.scopes for name, one in connections(settings).items()}
    assert ["a", "a/outgoing", "b"] == list(found)
    assert "https://graph.microsoft.com/Mail.ReadWrite" in found["a"]
    assert "https://outlook.office.com/SMTP.Send" in found["a/outgoing"]


GRAPH_OUT = {"transport": "graph"}


@pytest.mark.parametrize(
    ("box", "outgoing", "serves"),
    [
        ({"protocol": "graph", "outgoing": GRAPH_OUT}, {}, "a"),
        ({"protocol": "graph"}, GRAPH_OUT, "a"),
        ({"protocol": "graph", "outgoing": GRAPH_OUT | {"oauth": "q"}}, {}, "a/outgoing"),
        ({"outgoing": GRAPH_OUT}, {}, "a/outgoing"),
        ({}, GRAPH_OUT | {"oauth": "p", "username": "mail@example.com"}, "outgoing"),
        ({}, GRAPH_OUT | {"oauth": "p"}, "a/outgoing"),
    ],
)
def test_whose_tokens_send_by_graph(tmp_path: Path, box: dict[str, Any], outgoing: dict[str, Any], serves: str) -> None:
    """A mailbox that is read by Graph sends by the same sign-in, which asks for the permission to send; one that is
    read by IMAP needs one of its own, for a token is good for one of the two.
    """
    settings = loaded(
        tmp_path,
        {"a": DESK | {"preset": "microsoft365"} | box},
        outgoing=outgoing,
        oauth={"p": MICROSOFT, "q": MICROSOFT},
    )
    assert serves == outgoing_connection("a", settings.mailboxes["a"], settings)
    scopes = connections(settings)[serves].provider.scopes
    assert {"https://graph.microsoft.com/Mail.Send", "https://graph.microsoft.com/Mail.Send.Shared"} <= set(scopes)
    out = sent_by(settings, settings.mailboxes["a"])
    assert ("graph.microsoft.com", None) == (out.server, out.port)


def test_graph_takes_nothing_from_an_smtp_server(tmp_path: Path) -> None:
    """A mailbox that sends by Graph uses neither host nor password of the SMTP server that the others send by."""
    smtp = OUT | {"password": "x", "username": "all@example.com", "from_name": "Desk", "port": 2525}
    box = DESK | {"protocol": "graph", "preset": "microsoft365", "outgoing": GRAPH_OUT}
    settings = loaded(tmp_path, {"a": box}, outgoing=smtp, oauth={"p": MICROSOFT})
    out = sent_by(settings, settings.mailboxes["a"])
    assert ("graph.microsoft.com", None, "Desk", None) == (out.server, out.port, out.from_name, out.password)
    assert "a@example.com" == out.username


@pytest.mark.parametrize(
    ("out", "line"),
    [
        ({"security": "starttls"}, "Microsoft Graph uses implicit TLS"),
        ({"login": "plain"}, "Microsoft Graph accepts OAuth tokens only"),
        ({"password": "x"}, "set oauth in its place"),
        ({"username": ""}, "must name the mailbox that sends"),
    ],
)
def test_what_sending_by_graph_cannot_do(tmp_path: Path, out: dict[str, Any], line: str) -> None:
    """What Graph does not know is said at load."""
    with pytest.raises(SettingsError, match=line):
        loaded(tmp_path, {"a": DESK | {"outgoing": GRAPH_OUT | out}}, oauth={"p": MICROSOFT})


def test_a_host_says_not_whether_it_is_of_graph(tmp_path: Path) -> None:
    """A mailbox that names a server under [outgoing] with Graph must say for what: no token goes to an SMTP server."""
    with pytest.raises(SettingsError, match='uses "graph", but host is set here'):
        loaded(tmp_path, {"a": DESK | {"outgoing": OUT}}, outgoing=GRAPH_OUT, oauth={"p": MICROSOFT})


def test_sending_by_graph_needs_a_sign_in(tmp_path: Path) -> None:
    """Without oauth nothing can be sent by Graph."""
    with pytest.raises(SettingsError, match=r"mailboxes\.a\.outgoing\] oauth: is missing"):
        loaded(tmp_path, {"a": BOX}, outgoing=GRAPH_OUT)

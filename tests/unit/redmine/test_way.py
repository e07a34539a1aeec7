"""The way to Redmine where something is in between: a proxy, a gateway with header fields or client certificates."""

import base64
import json
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from redmine_mailbridge.checks.advice import REDMINE, advice
from redmine_mailbridge.conditions.servers import configured_servers
from redmine_mailbridge.errors import RedmineError, RedmineUnavailable, SettingsError
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.formatting import text_format
from redmine_mailbridge.settings.load import load, load_with_origins
from redmine_mailbridge.util.certificates import server_name, take_noted
from redmine_mailbridge.web.redmine_user import by_key, by_password
from redmine_mailbridge.wiring.redmine import redmine_client, redmine_connection
from tests.unit.redmine.tiny import Seen, answer, serve

ME = json.dumps({"user": {"id": 5, "login": "bridge", "admin": True, "api_key": "the-key"}})
SETTINGS = """
[redmine]
url = "{url}"
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

FAULT = pytest.mark.fault("A44-1")


def settings_file(folder: Path, url: str, *more: str) -> Path:
    """A file of settings with these further lines."""
    file = folder / "settings.toml"
    file.write_text(SETTINGS.format(url=url, more="\n".join(more)), "utf-8")
    return file


def client_of(folder: Path, url: str, *more: str) -> Client:
    """The client of settings with these further lines."""
    return redmine_client(load(settings_file(folder, url, *more), {}).redmine)


def problem(folder: Path, url: str, *more: str) -> str:
    """What is wrong with settings with these further lines."""
    with pytest.raises(SettingsError) as caught:
        load(settings_file(folder, url, *more), {})
    return str(caught.value)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a server's and a client's certificate, each signed by itself, and an encrypted key."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "client"):
        command = (
            f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -addext subjectAltName=IP:127.0.0.1"
        )
        out = ["-keyout", f"{name}.key", "-out", f"{name}.crt"]
        subprocess.run([*command.split(), *out], cwd=folder, check=True, capture_output=True)
    locked = "openssl rsa -aes256 -passout pass:words -in client.key -out locked.key"
    subprocess.run(locked.split(), cwd=folder, check=True, capture_output=True)
    both = (folder / "client.key").read_text() + (folder / "client.crt").read_text()
    (folder / "both.pem").write_text(both)
    for key in ("client.key", "both.pem", "locked.key"):
        (folder / key).chmod(0o600)
    return folder


def requiring(certificates: Path) -> ssl.SSLContext:
    """A server that requires the client's certificate."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    tls.load_verify_locations(certificates / "client.crt")
    tls.verify_mode = ssl.CERT_REQUIRED
    return tls


def header(seen: Seen, name: str) -> str | None:
    """A header field of a request."""
    return {key.lower(): value for key, value in seen.headers.items()}.get(name)


@pytest.mark.parametrize("split", [True, False], ids=["two files", "one file"])
def test_a_client_certificate(certificates: Path, tmp_path: Path, *, split: bool) -> None:
    """The bridge shows its certificate to a gateway that requires one; without it, that is an outage."""
    names = ("client.crt", "client.key") if split else ("both.pem", "")
    keys = ("client_certificate_file", "client_key_file")
    more = [f'{key} = "{certificates / name}"' for key, name in zip(keys, names, strict=True) if name]
    trusted = f'ca_file = "{certificates}/server.crt"'
    with serve(lambda _: answer(ME), requiring(certificates)) as tiny:
        client = client_of(tmp_path, tiny.url, trusted, *more)
        assert "bridge" == client.get("/users/current.json")["user"]["login"]
        settings = load(tmp_path / "settings.toml", {}).redmine
        assert "bridge" == by_key(settings, "the-key").login
        seen = len(tiny.seen)
        with pytest.raises(RedmineUnavailable):
            client_of(tmp_path, tiny.url, trusted).get("/users/current.json")
        assert seen == len(tiny.seen)


def test_header_fields_for_a_gateway(tmp_path: Path) -> None:
    """They go along with each request, also when an administrator signs in, and are shown nowhere."""
    (tmp_path / "headers").write_text("CF-Access-Client-Id: abc\n\nCF-Access-Client-Secret:  hush hush \n", "utf-8")
    (tmp_path / "headers").chmod(0o600)
    with serve(lambda _: answer(ME)) as tiny:
        client = client_of(tmp_path, tiny.url, 'gateway_headers_file = "headers"')
        client.get("/users/current.json", as_login="anna")
        settings = load(tmp_path / "settings.toml", {}).redmine
        by_key(settings, "the-key")
        text_format(redmine_connection(settings))
    assert 3 == len(tiny.seen)
    for seen in tiny.seen:
        assert ("abc", "hush hush") == (
            header(seen, "cf-access-client-id"), header(seen, "cf-access-client-secret")
        )  # fmt: skip
    assert "hush" not in repr(client.connection)
    assert "hush" not in repr(settings)


def test_a_proxy_with_a_login(tmp_path: Path) -> None:
    """Each request goes to the proxy, with its login; neither address nor errors show the password."""
    more = 'proxy = "{url}"', 'proxy_user = "bri:dge"', 'proxy_password = "w@rds/ü"', "allow_cleartext = true"
    login = "Basic " + base64.b64encode("bri:dge:w@rds/ü".encode()).decode()
    with serve(lambda _: answer(ME)) as proxy:
        client = client_of(tmp_path, "http://redmine.example.com/sub", more[0].format(url=proxy.url), *more[1:])
        assert "bridge" == client.get("/users/current.json")["user"]["login"]
        text_format(client.connection)
    assert "http://redmine.example.com/sub/users/current.json" == proxy.seen[0].target
    assert "http://redmine.example.com/sub/help/wiki_syntax/detailed" == proxy.seen[1].target
    assert [login, login] == [header(seen, "proxy-authorization") for seen in proxy.seen]
    nobody = client_of(tmp_path, "http://redmine.example.com", 'proxy = "http://127.0.0.1:1"', *more[1:])
    with pytest.raises(RedmineUnavailable) as caught:
        nobody.get("/users/current.json")
    said = str(caught.value) + repr(nobody.connection)
    assert not any(word in said for word in ("w@rds", "w%40rds", "bri:dge", "bri%3Adge"))


def test_a_gateway_with_a_token_of_its_own(tmp_path: Path) -> None:
    """Authorization is the gateway's then: administrators sign in with their API keys, as behind `gateway_user`."""
    with serve(lambda _: answer(ME)) as tiny:
        file = settings_file(tmp_path, tiny.url, 'gateway_headers = "Authorization: Bearer words"')
        assert "bridge" == by_password(load(file, {}).redmine, "the-key", "whatever").login
    assert ("Bearer words", "the-key") == (
        header(tiny.seen[0], "authorization"), header(tiny.seen[0], "x-redmine-api-key")
    )  # fmt: skip


def test_a_tunnel_through_a_proxy(tmp_path: Path) -> None:
    """With https the proxy gets CONNECT alone: neither the key nor the header fields. Its refusal is an outage."""
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    with serve(lambda _: refusal) as proxy:
        more = f'proxy = "{proxy.url}"', 'gateway_headers = "X-Token: hush"'
        client = client_of(tmp_path, "https://redmine.example.com", *more)
        with pytest.raises(RedmineUnavailable, match="407"):
            client.post("/issues.json", {"issue": {"subject": "x"}})
    assert ["CONNECT"] == [seen.method for seen in proxy.seen]
    assert "redmine.example.com:443" == proxy.seen[0].target
    assert (None, None) == (header(proxy.seen[0], "x-token"), header(proxy.seen[0], "x-redmine-api-key"))


@pytest.mark.fault("A44-2")
@pytest.mark.parametrize("secure", [False, True], ids=["http proxy", "https proxy"])
def test_the_certificate_behind_a_tunnel(certificates: Path, tmp_path: Path, *, secure: bool) -> None:
    """The end of Redmine's certificate is known behind a proxy too, under Redmine's name: it is not the proxy's."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificates / "server.crt", certificates / "server.key")

    def tunnel() -> None:
        connection, _ = listener.accept()
        if secure:
            connection = tls.wrap_socket(connection, server_side=True)
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            if not secure:
                with tls.wrap_socket(connection, server_side=True) as inner:
                    inner.recv(10_000)
                    inner.sendall(answer(ME))
                return
            come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
            within = tls.wrap_bio(come, go, server_side=True)
            for step in (within.do_handshake, lambda: within.read(10_000), lambda: within.write(answer(ME))):
                while True:
                    try:
                        step()
                    except ssl.SSLWantReadError:
                        connection.sendall(go.read())
                        come.write(connection.recv(10_000))
                    else:
                        break
            connection.sendall(go.read())

    take_noted()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=tunnel)
        thread.start()
        proxy = f'proxy = "{"https" if secure else "http"}://127.0.0.1:{listener.getsockname()[1]}"'
        client = client_of(tmp_path, "https://127.0.0.1:4", proxy, f'ca_file = "{certificates}/server.crt"')
        assert "bridge" == client.get("/users/current.json")["user"]["login"]
        thread.join()
    assert {"127.0.0.1:4"} == set(take_noted())


@pytest.mark.fault("A44-12")
@pytest.mark.parametrize(
    ("url", "noted"),
    [
        ("https://M\u00fcnchen.example", ("xn--mnchen-3ya.example", 443)),
        ("https://stra\u00dfe.example:8443", ("xn--strae-oqa.example", 8443)),
        ("https://redmine.example.com.", ("redmine.example.com", 443)),
        ("https://[::1]:8443", ("[::1]", 8443)),
    ],
)
def test_the_certificate_of_each_spelling(tmp_path: Path, url: str, noted: tuple[str, int]) -> None:
    """A connection's name of the server is the one that the settings' conditions look for."""
    assert server_name(*noted) in configured_servers(load(settings_file(tmp_path, url), {}))


@pytest.mark.fault("A44-9")
def test_what_a_server_says_is_one_readable_line(tmp_path: Path) -> None:
    """What a proxy or a gateway answers reaches terminals and logs without control characters."""
    replies = [
        b"HTTP/1.1 407 \x1b[31mno\x07\x9b\r\nContent-Length: 0\r\n\r\n",
        b"\x1b]0;title\x07 this is no HTTP\r\n\r\n",
        answer("", "302 Found", Location="https://x.example/\x1b[31mpath"),
        answer("", "302 Found", Location="https://x\x1b[31m.example/login"),
        answer("<html>", "401 No", WWW_Authenticate="Basic \x1b[31m"),
        answer('{"errors": ["\\u001b[31mno\\n"]}', "422 No"),
    ]
    for number, reply in enumerate(replies):
        with serve(lambda _, reply=reply: reply) as server:
            tunnel = [f'proxy = "{server.url}"'] if number == 0 else []
            client = client_of(tmp_path, "https://redmine.example.com" if tunnel else server.url, *tunnel)
            with pytest.raises(RedmineError) as caught:
                client.post("/issues.json", {})
        assert str(caught.value).isprintable(), repr(str(caught.value))


@pytest.mark.parametrize(
    ("error", "key"),
    [
        ("GET https://r.example: the connection failed (Tunnel connection failed: 407 Proxy …)", "proxy_user"),
        (
            "GET https://r.example: nginx/1.22.1: … requires a client certificate, or … (400)",
            "client_key_file",
        ),
        ("GET https://r.example: the connection failed (tlsv13 alert certificate required)", "client_key_file"),
        ("GET https://r.example: the connection failed (sslv3 alert bad certificate)", "client_key_file"),
    ],
)
def test_advice(error: str, key: str) -> None:
    """What a proxy or a gateway refuses says which setting to look at."""
    assert key in advice(error, REDMINE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("X-Redmine-API-Key: other", "line 1: X-Redmine-API-Key is set by the bridge"),
        ("A: 1\\nhost: x", "line 2: host is set by the bridge"),
        ("A: 1\\na: 2", "line 2: a is there twice"),
        ("Bearer hush", 'line 1: must be "Name: value", in ASCII'),
        ("A: hüsh", 'line 1: must be "Name: value", in ASCII'),
        ("A:", 'line 1: must be "Name: value", in ASCII'),
        ("\\n", 'must contain at least one line "Name: value"'),
    ],
)
def test_wrong_header_fields(tmp_path: Path, text: str, why: str) -> None:
    """The line is named, the value is not shown."""
    said = problem(tmp_path, "https://redmine.example.com", f'gateway_headers = "{text}"')
    assert "gateway_headers" in said
    assert said.endswith(why)
    assert "h\u00fcsh" not in said
    assert "hush" not in said


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ('proxy = "proxy.example.com:3128"', "must be the address of an HTTP proxy"),
        ('proxy = "socks5://proxy.example.com"', "must be the address of an HTTP proxy"),
        ('proxy = "http://me:words@proxy.example.com"', "set proxy_user and proxy_password_file"),
        ('proxy = "http://proxy.example.com/pac"', "must be only scheme, host and port"),
        pytest.param('proxy = "http://me:words@proxy.example.com:99999"', "address of an", marks=FAULT),
        pytest.param('proxy = "http://proxy.example.com:99999"', "must be the address of an HTTP proxy", marks=FAULT),
        pytest.param('proxy = "http://proxy.example.com:x"', "must be the address of an HTTP proxy", marks=FAULT),
        pytest.param('proxy = "http://@proxy.example.com"', "set proxy_user and proxy_password_file", marks=FAULT),
        ('proxy_user = "me"', "set proxy, too"),
        ('proxy = "http://proxy.example.com"\nproxy_user = "me"', "proxy_password"),
        ('proxy = "http://proxy.example.com"\nproxy_password = "words"', "set proxy_user, too"),
        ('client_key_file = "x.key"', "set client_certificate_file, too"),
        ('client_certificate_file = "x.crt"', "x.crt: No such file or directory"),
        (
            'gateway_user = "me"\ngateway_password = "words"\ngateway_headers = "Authorization: Bearer hush"',
            "contains Authorization, which gateway_user sets: remove one of them",
        ),
    ],
)  # fmt: skip
def test_settings_that_cannot_work(tmp_path: Path, more: str, why: str) -> None:
    """They are refused when they are read, and say what to set."""
    said = problem(tmp_path, "https://redmine.example.com", more)
    assert why in said
    assert "words" not in said.replace("password", "")
    assert "hush" not in said


@pytest.mark.fault("A44-1")
@pytest.mark.parametrize("url", ["https://redmine.example.com:99999", "https://redmine.example.com:x", "https://a b.c"])
def test_an_address_that_is_none(tmp_path: Path, url: str) -> None:
    """It is refused when it is read; `status` and `health` would end with a traceback."""
    assert "must be a web address" in problem(tmp_path, url)


@pytest.mark.fault("A44-1")
def test_an_error_does_not_show_a_proxys_password() -> None:
    """An address that urllib3 cannot read is not repeated: it contains the password."""
    connection = Connection("https://redmine.example.com", "key", proxy="http://me:words@proxy.example.com:99999")
    with pytest.raises(RedmineUnavailable) as caught:
        Client(connection).get("/users/current.json")
    assert "words" not in str(caught.value)


def test_the_key_in_the_clear(tmp_path: Path) -> None:
    """A Redmine on this machine, reached through a proxy elsewhere without TLS, is refused, as without a proxy."""
    more = 'proxy = "http://proxy.example.com:3128"'
    assert "unencrypted" in problem(tmp_path, "http://127.0.0.1:3000", more)
    load(settings_file(tmp_path, "https://127.0.0.1:3000", more), {})
    load(settings_file(tmp_path, "http://127.0.0.1:3000", 'proxy = "http://localhost:3128"'), {})


def test_a_certificate_for_nothing(tmp_path: Path) -> None:
    """Without TLS there is none to whom a certificate is shown."""
    assert "url must begin with https://" in problem(tmp_path, "http://127.0.0.1", 'client_certificate_file = "x.crt"')


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (("client.crt", "locked.key"), "locked.key: the key needs a passphrase; store it without"),
        (("client.crt", "server.key"), "must be a certificate and its private key in PEM format"),
        (("client.key", None), "must be a certificate and its private key in PEM format"),
        (("client.crt", None), "must be a certificate and its private key in PEM format"),
    ],
)
def test_unusable_certificates(certificates: Path, tmp_path: Path, names: tuple[str, str | None], why: str) -> None:
    """They are refused when the settings are read; nobody is asked for a passphrase."""
    keys = ("client_certificate_file", "client_key_file")
    more = [f'{key} = "{certificates / name}"' for key, name in zip(keys, names, strict=True) if name]
    assert why in problem(tmp_path, "https://redmine.example.com", *more)


def test_a_key_that_others_can_read(certificates: Path, tmp_path: Path) -> None:
    """A warning names it."""
    key = tmp_path / "open.pem"
    key.write_bytes((certificates / "both.pem").read_bytes())
    key.chmod(0o644)
    file = settings_file(tmp_path, "https://redmine.example.com", f'client_certificate_file = "{key}"')
    assert any(str(key) in line and "chmod 600" in line for line in load_with_origins(file, {}).warnings)

"""The pages on a real socket: alone, over TLS, behind a proxy that is believed or not; and no secret on any of them."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import tomlkit
from click.testing import CliRunner

from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.load import load_with_origins
from redmine_mailbridge.store.admin_sessions import SIGN_IN_REFUSED
from redmine_mailbridge.web import passwords
from redmine_mailbridge.web.routes import GET
from redmine_mailbridge.web.wiring import Pages
from tests.product import mail, merged
from tests.unit.web.site import PASSWORD, Site, values

FREE = "127.0.0.1:0"


def written(folder: Path, **admin: Any) -> Path:
    """Given keys of [admin], return a settings file that listens on a free port."""
    file = folder / "settings.toml"
    file.write_text(tomlkit.dumps(values(**{"listen": FREE} | admin)), "utf-8")
    file.chmod(0o600)
    return file


def wrong_password(address: str, tmp_path: Path, **admin: Any) -> str:
    """Try a wrong password through a proxy that says it comes from `address`; return whence it is noted to come."""
    pages = Pages(load_with_origins(written(tmp_path, **admin), {}))
    try:
        url = pages.server.address
        headers = {"X-Forwarded-For": address, "Origin": url, "Sec-Fetch-Site": "same-origin"}
        form = {"way": "password", "password": "wrong horse 10"}
        assert 403 == requests.post(f"{url}/login", data=form, headers=headers, timeout=20).status_code
        (line,) = pages._context.audit.lines()
    finally:
        pages.stop()
    assert SIGN_IN_REFUSED == line.action
    return line.address


def test_a_proxy_is_believed_when_it_is_named(tmp_path: Path) -> None:
    """Attempts count for the visitor whom a named proxy names; a proxy that nobody named speaks for nobody."""
    assert "203.0.113.9" == wrong_password("203.0.113.9", tmp_path, proxies=["127.0.0.1"])


def test_a_stranger_cannot_name_himself(tmp_path: Path) -> None:
    """Without a named proxy what a request says of its origin does not help to get round the limit of attempts."""
    assert "127.0.0.1" == wrong_password("203.0.113.9", tmp_path)


@contextmanager
def alone(file: Path) -> Iterator[str]:
    """Run `admin` as a process, yield its address, and tell it to stop at the end."""
    line = [sys.executable, "-m", "redmine_mailbridge", "admin", "--settings", str(file)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            (url,) = re.findall(r"https?://127\.0\.0\.1:\d+", process.stdout.readline())
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(30)


def test_alone(tmp_path: Path) -> None:
    """`admin` serves the pages without the service until it is told to stop."""
    with alone(written(tmp_path)) as url:
        assert "ok\n" == requests.get(f"{url}/healthz", timeout=20).text
        assert "Sign in" in requests.get(f"{url}/", timeout=20).text


def test_over_tls(tmp_path: Path) -> None:
    """With a certificate the pages are served over TLS, and the cookie is for TLS only; a wrong one is told."""
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=desk -addext subjectAltName=IP:127.0.0.1"
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    passwords.keep(tmp_path / "admin-password", PASSWORD)
    file = written(tmp_path, certificate_file=str(certificate), certificate_key_file=str(key))
    with alone(file) as url, requests.Session() as browser:
        browser.trust_env, browser.verify = False, str(certificate)
        browser.headers["Sec-Fetch-Site"] = "same-origin"
        form = {"way": "password", "password": PASSWORD}
        answer = browser.post(f"{url}/login", data=form, allow_redirects=False, timeout=20)
        assert (303, True) == (answer.status_code, "; Secure" in answer.headers["Set-Cookie"])
        assert 200 == browser.get(f"{url}/", timeout=20).status_code
        with pytest.raises(requests.exceptions.ConnectionError):
            requests.get(url.replace("https:", "http:"), timeout=20)
    key.write_text("no key")
    with pytest.raises(SettingsError, match="certificate_file"):
        Pages(load_with_origins(file, {}))


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        ("0.0.0.0:8025", "certificate_file and certificate_key_file"),
        ("8025", "must be an address and a port"),
        ("taken", "Address already in use"),
    ],
)
def test_a_listener_that_cannot_be(tmp_path: Path, listen: str, words: str) -> None:
    """`admin --listen` with an address that is open to all, is none, or is taken ends with a line that says so."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}" if listen == "taken" else listen
        done = CliRunner().invoke(cli, ["admin", "--settings", str(written(tmp_path)), "--listen", where])
    assert (2, True) == (done.exit_code, words in done.output)


def test_the_local_password_is_set(tmp_path: Path) -> None:
    """`admin password` writes a hash that only its owner can read; a short one is refused."""
    arguments = ["admin", "--settings", str(written(tmp_path)), "password", "--stdin"]
    assert "too short" in CliRunner().invoke(cli, arguments, input="short\n").output
    assert 0 == CliRunner().invoke(cli, arguments, input=f"{PASSWORD}\n").exit_code
    file = tmp_path / "admin-password"
    assert (0o600, True) == (file.stat().st_mode & 0o777, passwords.matches(PASSWORD, file.read_text()))
    assert PASSWORD not in file.read_text()


def test_no_secret_on_any_page(tmp_path: Path) -> None:
    """Whatever kind of secret the settings hold, no page and no download shows it."""
    secrets = {
        "oauth": {"work": {"issuer": "https://id.example.com", "client_id": "known", "client_secret": "do-not-show-1"}},
        "outgoing": {"host": "smtp.example.com", "username": "u", "password": "do-not-show-2"},
        "mailboxes": {"support": {"outgoing": {"host": "s.example.com", "username": "u", "password": "do-not-show-3"}}},
    }
    file = written(tmp_path)
    file.write_text(tomlkit.dumps(merged(values(), secrets)), "utf-8")
    passwords.keep(tmp_path / "admin-password", PASSWORD)
    with Site.of(file) as site:
        row = site.keep(mail("x"), sender="a@example.net", subject="x")
        site.sign_in()
        shown = [re.sub(r"\{[^}]*\}", "1", path) for path in GET if "{" not in path] + [f"/messages/{row.id}"]
        shown += [f"/mailboxes/{name}" for name in site.desk.settings.mailboxes] + ["/reports/report.html", "/metrics"]
        hashed = (tmp_path / "admin-password").read_text().strip()
        for path in shown:
            text = site.browser.get(path).text
            assert ("do-not-show" in text, hashed in text, PASSWORD in text) == (False, False, False), path
        assert ">set<" in site.browser.get("/mailboxes/support").text

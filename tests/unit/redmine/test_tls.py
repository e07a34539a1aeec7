"""Whose certificates are believed."""

import ssl
import subprocess
import time
from pathlib import Path

import pytest

from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.util.certificates import take_noted
from tests.unit.redmine.tiny import answer, serve


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, signed by itself, with its key in the same file."""
    folder = tmp_path_factory.mktemp("tls")
    made = folder / "both.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=redmine -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-keyout", folder / "k", "-out", folder / "c"], check=True, capture_output=True)
    made.write_bytes((folder / "k").read_bytes() + (folder / "c").read_bytes())
    return made


def context(certificate: Path) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    return tls


def test_own_authority(certificate: Path) -> None:
    """A certificate is believed when the settings name the file that vouches for it."""
    with serve(lambda _: answer('{"issue":{"id":1}}'), context(certificate)) as tiny:
        client = Client(Connection(tiny.url, "key", ca_file=str(certificate)))
        assert {"issue": {"id": 1}} == client.get("/issues/1.json")
        until = take_noted()[tiny.url.removeprefix("https://")]
        assert 0.0 < (until - time.time()) / 86_400 <= 2.0


def test_stranger(certificate: Path) -> None:
    """An unknown certificate is an outage, told as that, and nothing is sent to it: neither the key nor a write."""
    with serve(lambda _: answer("{}"), context(certificate)) as tiny:
        client = Client(Connection(tiny.url, "key"))
        with pytest.raises(RedmineUnavailable, match="self-signed certificate"):
            client.post("/issues.json", {"issue": {}})
        assert [] == tiny.seen

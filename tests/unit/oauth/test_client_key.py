"""An application that proves itself by a certificate: what is sent, and what is said of files that cannot be used."""

import base64
import datetime as dt
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc.jwk import RSAKey

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.oauth.client import ProviderClient
from redmine_mailbridge.oauth.model import Endpoints, Grant, Provider, SignInConnection
from tests.servers.graph import GraphServer, graph_server

Files = tuple[Path, Path]


@pytest.fixture(scope="module")
def keys() -> list[rsa.RSAPrivateKey]:
    """Two keys."""
    return [rsa.generate_private_key(65537, 2048) for _ in range(2)]


def pem(key: Any, password: bytes | None = None) -> bytes:
    """Given a key, return it as openssl writes it."""
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked)


@pytest.fixture
def files(tmp_path: Path, keys: list[rsa.RSAPrivateKey]) -> Files:
    """A certificate and its key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bridge")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(keys[0].public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=2))
        .sign(keys[0], hashes.SHA256())
    )
    made = tmp_path / "bridge.crt", tmp_path / "bridge.key"
    made[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made[1].write_bytes(pem(keys[0]))
    made[1].chmod(0o600)
    return made


def token(server: GraphServer, files: Files) -> str:
    """The access token that the application gets."""
    provider = Provider(
        name="ms", title="Microsoft", client_id="bridge", grant=Grant.CLIENT_CREDENTIALS, scopes=("scope/.default",),
        endpoints=Endpoints(token=endpoint(server)), client_certificate_file=files[0], client_key_file=files[1],
    )  # fmt: skip
    return ProviderClient(provider).by_itself(SignInConnection("desk", "desk@example.com", provider)).access


def endpoint(server: GraphServer) -> str:
    """Where tokens are asked for."""
    return f"http://127.0.0.1:{server.port}/tenant/oauth2/v2.0/token"


def test_what_is_sent(files: Files, keys: list[rsa.RSAPrivateKey], capfd: pytest.CaptureFixture[str]) -> None:
    """A statement of a few minutes that the key has signed and that names certificate, application and provider, a new
    one each time; no secret, and nothing of the key in the log.
    """
    with graph_server() as server:
        server.client_key = RSAKey.import_key(pem(keys[0]))
        assert [server.token, server.token] == [token(server, files), token(server, files)]
        (header, claims), (_, again) = server.assertions
        expected = endpoint(server)
    der = ssl_der(files[0])
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
    assert {"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint} == header
    assert ("bridge", "bridge", expected) == (claims["iss"], claims["sub"], claims["aud"])
    assert claims["nbf"] <= time.time() < claims["exp"] <= time.time() + 3600
    assert claims["jti"] != again["jti"]
    assert "PRIVATE" not in "".join(capfd.readouterr())


def ssl_der(file: Path) -> bytes:
    """Given a certificate in PEM, return its bytes."""
    return x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(serialization.Encoding.DER)


def _other(files: Files, keys: list[rsa.RSAPrivateKey]) -> None:
    files[1].write_bytes(pem(keys[1]))


def _locked(files: Files, keys: list[rsa.RSAPrivateKey]) -> None:
    files[1].write_bytes(pem(keys[0], b"passphrase"))


def _readable(files: Files, _keys: list[rsa.RSAPrivateKey]) -> None:
    files[1].chmod(0o644)


def _missing(files: Files, _keys: list[rsa.RSAPrivateKey]) -> None:
    files[1].unlink()


def _no_certificate(files: Files, keys: list[rsa.RSAPrivateKey]) -> None:
    files[0].write_bytes(pem(keys[0]))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (_other, "bridge.key: does not belong to"),
        (_locked, "bridge.key: not a private key in PEM without a passphrase"),
        (_readable, "bridge.key: others can read it; chmod 600"),
        (_missing, "bridge.key: No such file or directory"),
        (_no_certificate, "bridge.crt: not a certificate in PEM"),
    ],
)
def test_files_that_cannot_be_used(
    files: Files,
    keys: list[rsa.RSAPrivateKey],
    wrong: Callable[[Files, list[rsa.RSAPrivateKey]], None],
    words: str,
) -> None:
    """The error names the file and what is wrong with it, and holds nothing of the key; the provider is not asked."""
    wrong(files, keys)
    with graph_server() as server, pytest.raises(LoginRefused, match=words) as refused:
        token(server, files)
    assert ([], False) == (server.asked, "BEGIN" in str(refused.value))


@pytest.mark.fault("A23-10")
@pytest.mark.parametrize("made", [lambda: ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate])
def test_a_key_of_another_kind(files: Files, made: Callable[[], Any]) -> None:
    """A pair that belongs together and cannot sign for Microsoft is refused like any other file that cannot be used."""
    key, name = made(), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bridge")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=2))
    signed = builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    files[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(pem(key))
    with graph_server() as server, pytest.raises(LoginRefused, match="not an RSA key") as refused:
        token(server, files)
    assert ([], False) == (server.asked, "BEGIN" in str(refused.value))


@pytest.mark.fault("A23-10")
def test_a_key_that_no_library_knows(files: Files) -> None:
    """A key of an algorithm that is not known is refused with the file's name."""
    der = bytes.fromhex("302e020100300506032b657904220420") + bytes(32)
    files[1].write_bytes(b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(der) + b"\n-----END PRIVATE KEY-----\n")
    with graph_server() as server, pytest.raises(LoginRefused, match="not a private key"):
        token(server, files)


def test_a_provider_that_refuses(files: Files) -> None:
    """The provider's words are shown."""
    with graph_server() as server, pytest.raises(LoginRefused, match="AADSTS7000215"):
        token(server, files)

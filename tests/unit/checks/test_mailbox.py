"""What `check` tells of a mail server that is not as it should be: in its own words, with one line of advice."""

import datetime as dt
import ssl
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from redmine_mailbridge.checks.mailbox import mailbox_checks
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.wiring.mailboxes import mailbox_of
from tests.scripted_server import Reply, scripted

NOW = dt.datetime.now(dt.UTC)
READY = "* OK [CAPABILITY IMAP4rev1] ready"
IMAP: Mapping[str, Reply] = {
    "CAPABILITY": "* CAPABILITY IMAP4rev1 MOVE UIDPLUS IDLE ACL\n{tag} OK done\n",
    "LIST": '* LIST () "/" INBOX\n* LIST () "/" Processed\n* LIST () "/" Failed\n{tag} OK done\n',
    "SELECT": "* 3 EXISTS\n* OK [UIDVALIDITY 7] x\n* OK [UIDNEXT 9] x\n{tag} OK [READ-WRITE] done\n",
}


def certificate(folder: Path, *names: str, days: int) -> ssl.SSLContext:
    """Given names and for how many days it is good, return a server's context with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, names[0])])
    alternatives = [x509.IPAddress(ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=400))
        .not_valid_after(NOW + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def settings(port: int, **values: Any) -> MailboxSettings:
    """Given a port and further keys, return a mailbox's settings."""
    given = {
        "address": "desk@example.com", "start_from": "all",
        "host": "127.0.0.1", "port": port, "security": "none", "username": "u",
        "password": "secret", "timeout": "5s", "issue": {"project": "support"},
    }  # fmt: skip
    return MailboxSettings.model_validate(given | values)


def checked(box: MailboxSettings) -> dict[str, Check]:
    """Given settings, check. Return what is found by its name."""
    found = list(mailbox_checks("desk", box, mailbox_of("desk", box)))
    assert len({check.name for check in found}) == len(found)
    return {check.name.removeprefix("mailbox desk: "): check for check in found}


def failure(found: Mapping[str, Check]) -> tuple[str, str]:
    """Return the name and words of the only failure."""
    (failed,) = [(name, check.words) for name, check in found.items() if check.ok is False]
    return failed


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    """Of a certificate for other names these are told, with who signed it and how long it is good."""
    tls = certificate(tmp_path, "mail.hoster.example", "*.hoster.example", days=30)
    with scripted(IMAP, READY, tls=tls) as server:
        box = settings(server.port, security="tls", ca_file=tmp_path / "server.pem")
        name, words = failure(checked(box))
    assert "connection" == name
    assert "certificate is not valid for '127.0.0.1'" in words
    assert (
        f"for mail.hoster.example, *.hoster.example, issued by mail.hoster.example, valid from {NOW.year - 1}" in words
    )
    assert "write the server's name as host" in words


def test_an_expired_certificate(tmp_path: Path) -> None:
    """Of a certificate that has run out it is told when."""
    with scripted(IMAP, READY, tls=certificate(tmp_path, "127.0.0.1", days=-2)) as server:
        _, words = failure(checked(settings(server.port, security="tls", ca_file=tmp_path / "server.pem")))
    assert "certificate has expired" in words
    assert f"to {NOW - dt.timedelta(days=2):%Y-%m-%d}" in words
    assert "must renew its certificate" in words


def test_a_certificate_that_ends_soon(tmp_path: Path) -> None:
    """A certificate that ends within three weeks is a note."""
    with scripted(IMAP, READY, tls=certificate(tmp_path, "127.0.0.1", days=5)) as server:
        found = checked(settings(server.port, security="tls", ca_file=tmp_path / "server.pem"))
    assert None is found["connection"].ok
    assert "certificate valid for 4 days" in found["connection"].words


def test_tls_where_there_is_none() -> None:
    """TLS spoken to a server that greets in plain letters: its greeting is told, and STARTTLS advised."""
    with scripted(IMAP, "* OK Plain server ready") as server:
        name, words = failure(checked(settings(server.port, security="tls")))
    assert "connection" == name
    assert 'without TLS ("* OK Plain server ready"): set security = "starttls"' in words


def test_plain_where_there_is_tls(tmp_path: Path) -> None:
    """Plain letters spoken to a port of TLS: it is told that TLS is spoken there."""
    with scripted(IMAP, READY, tls=certificate(tmp_path, "127.0.0.1", days=30)) as server:
        name, words = failure(checked(settings(server.port, security="starttls", timeout="1s")))
    assert "connection" == name
    assert words.endswith('The server starts with TLS on this port: set security = "tls".')


def test_no_starttls() -> None:
    """A server without STARTTLS is told as that."""
    with scripted(IMAP, READY) as server:
        _, words = failure(checked(settings(server.port, security="starttls")))
    assert "The server offers no STARTTLS on this port" in words


def test_no_login_without_tls() -> None:
    """A server that forbids logins without TLS says so by LOGINDISABLED: the way out is told."""
    capable = "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\n{tag} OK done\n"
    with scripted({"CAPABILITY": capable}, "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready") as server:
        name, words = failure(checked(settings(server.port)))
    assert "login" == name
    assert 'security = "starttls" or "tls"' in words


@pytest.mark.parametrize(
    ("said", "advised"),
    [
        ("BAD User is authenticated but not connected.", "opens no mailbox of that name"),
        ("NO [ALERT] Application-specific password required: https://x (Failure)", "app password"),
        ("NO [AUTHENTICATIONFAILED] Authentication failed.", "Check username and password."),
    ],
)
def test_a_refused_login(said: str, advised: str) -> None:
    """A refused login is told in exactly the server's words, with one line of advice."""
    with scripted({**IMAP, "LOGIN": f"{{tag}} {said}\n"}, READY) as server:
        found = checked(settings(server.port))
    name, words = failure(found)
    assert "login" == name
    first, second = words.splitlines()
    assert said.partition(" ")[2] in first
    assert advised in second
    assert (READY, True) == (found["greeting"].words, "IMAP4REV1" in found["capabilities"].words)


def test_a_file_that_holds_no_certificate(tmp_path: Path) -> None:
    """A ca_file that cannot be used is told at its mailbox, and ends nothing else."""
    (tmp_path / "ca.pem").write_text("no certificate", "utf-8")
    name, words = failure(checked(settings(1, security="tls", ca_file=tmp_path / "ca.pem")))
    assert ("connection", True) == (name, "ca_file" in words)


def test_connected_and_nothing_there() -> None:
    """Exchange's riddle also comes after a login that went well, at the first folder."""
    said = "{tag} BAD User is authenticated but not connected.\n"
    with scripted({**IMAP, "LIST": said, "SELECT": said}, READY) as server:
        found = checked(settings(server.port))
    assert found["login"].ok
    name, words = failure(found)
    assert "folders" == name
    assert "User is authenticated but not connected." in words
    assert "opens no mailbox of that name" in words


def test_the_provider_has_a_word() -> None:
    """A refused login at a provider with a preset gets the provider's own advice."""
    with scripted({**IMAP, "LOGIN": "{tag} NO [AUTHENTICATIONFAILED] No.\n"}, READY) as server:
        _, words = failure(checked(settings(server.port, preset="fastmail")))
    assert "create an app password with access to mail" in words


@pytest.mark.parametrize(
    ("rights", "name", "words"),
    [
        (
            "lrs",
            "folder INBOX",
            "3 messages, but without the right to mark as deleted, expunge: messages cannot be moved",
        ),
        ("lrswte", "success folder Processed", "no right to insert messages: messages cannot be moved into it"),
    ],
)
def test_rights(rights: str, name: str, words: str) -> None:
    """Where the server tells rights, those that are missing are named."""

    def told(line: str) -> str:
        return f"* MYRIGHTS {line.split()[1]} {rights}\n{{tag}} OK done\n"

    with scripted({**IMAP, "MYRIGHTS": told}, READY) as server:
        found = checked(settings(server.port))
    assert (False, words) == (found[name].ok, found[name].words)


@pytest.mark.parametrize("rights", ["lrswite", "lrswicda"])
def test_enough_rights(rights: str) -> None:
    """With the rights of today, or those of RFC 2086 that became them, all is well."""
    answers = {**IMAP, "MYRIGHTS": f"* MYRIGHTS INBOX {rights}\n{{tag}} OK done\n"}
    with scripted(answers, READY) as server:
        found = checked(settings(server.port))
    assert {True} == {check.ok for check in found.values()}
    assert "3 messages, writable" == found["folder INBOX"].words


def test_what_is_kept_where_no_keywords_are(tmp_path: Path) -> None:
    """Where mails are kept and the server stores no keywords, a note says that only the bridge remembers."""
    answers = {**IMAP, "MYRIGHTS": "* MYRIGHTS INBOX lrswite\n{tag} OK done\n"}
    with scripted(answers, READY) as server:
        found = checked(settings(server.port, after_success="keep", after_failure="keep"))
    assert None is found["folder INBOX"].ok
    assert "stores no keywords" in found["folder INBOX"].words

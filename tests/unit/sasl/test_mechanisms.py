"""The bytes of the login mechanisms, by the examples of their documents, and which are tried."""

import base64
import dataclasses
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.mailboxes.pop3.mailbox import Pop3Mailbox
from redmine_mailbridge.model.mailbox import LoginChoice, MailboxConfig, MailProtocol, Security
from redmine_mailbridge.sasl import ntlm
from redmine_mailbridge.sasl.bearer import OauthBearer, Xoauth2
from redmine_mailbridge.sasl.cram_md5 import CramMd5
from redmine_mailbridge.sasl.mechanism import Credentials
from redmine_mailbridge.sasl.ntlm import Ntlm
from redmine_mailbridge.sasl.plain import Plain
from redmine_mailbridge.sasl.scram import Scram
from redmine_mailbridge.sasl.selection import choose
from redmine_mailbridge.util.lazy import lazy_import
from tests.scripted_server import scripted

CONFIG = MailboxConfig(name="s", host="mail.example.com", port=993, username="user@example.com")
WHO = Credentials("user@example.com", "user@example.com", password="pencil")
ALL = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "XOAUTH2", "OAUTHBEARER", "NTLM", "GSSAPI"]


def test_cram_md5() -> None:
    """CRAM-MD5 answers as in RFC 2195."""
    who = Credentials("tim", "tim", password="tanstaaftanstaaf")
    challenge = b"<1896.697170952@postoffice.reston.mci.net>"
    assert b"tim b913a602c7eda7a495b4e6e7334d3890" == CramMd5(who).answer(challenge)
    assert CramMd5(who).answer(b"") is None


def test_xoauth2() -> None:
    """XOAUTH2 answers as in Google's document, and acknowledges the error."""
    who = Credentials(
        "someuser@example.com", "someuser@example.com", token="ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"
    )
    mechanism = Xoauth2(who)
    sent = b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01"
    assert (sent, b"") == (mechanism.answer(b""), mechanism.answer(b'{"status":"401"}'))


def test_oauthbearer() -> None:
    """OAUTHBEARER answers as in RFC 7628 section 4.1 (without host and port), and acknowledges the error."""
    mechanism = OauthBearer(Credentials("a", "us=er,@example.com", token="vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="))
    sent = b"n,a=us=3Der=2C@example.com,\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
    assert (sent, b"\x01") == (mechanism.answer(b""), mechanism.answer(b'{"status":"invalid_token"}'))


def test_plain_with_a_shared_mailbox_beyond_ascii() -> None:
    """PLAIN carries mailbox, user and password in UTF-8."""
    who = Credentials("müller", "büro", password="pässwört")
    assert "büro\0müller\0pässwört".encode() == Plain(who).answer(b"")
    assert b"\0user@example.com\0pencil" == Plain(WHO).answer(b"")


def test_scram_gives_up_on_a_server_that_knows_no_password() -> None:
    """SCRAM ends the login when the server's signature is wrong, and when its messages make no sense."""
    mechanism = Scram(WHO, "SCRAM-SHA-256")
    first = mechanism.answer(b"")
    assert first is not None
    nonce = first.decode().rpartition("r=")[2]
    assert mechanism.answer(f"r={nonce}more,s=QSXCR+Q6sek8bf92,i=4096".encode()) is not None
    assert mechanism.answer(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=") is None
    assert Scram(WHO, "SCRAM-SHA-1").answer(b"") is not None
    broken = Scram(WHO, "SCRAM-SHA-1")
    broken.answer(b"")
    assert broken.answer(b"\xff\xfe") is None


@pytest.mark.parametrize(
    ("changes", "who", "tried"),
    [
        ({}, WHO, ("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN")),
        ({"prevent_cleartext_login": True}, WHO, ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5")),
        ({"login": LoginChoice.LOGIN}, WHO, ("LOGIN",)),
        ({}, dataclasses.replace(WHO, mailbox="shared@example.com"), ("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN")),
        ({}, dataclasses.replace(WHO, password="", token="t"), ("OAUTHBEARER", "XOAUTH2")),
        ({"login": LoginChoice.XOAUTH2}, dataclasses.replace(WHO, token="t"), ("XOAUTH2",)),
    ],
)
def test_what_is_tried(changes: dict[str, Any], who: Credentials, tried: tuple[str, ...]) -> None:
    """The strongest that settings, credentials and server allow are tried in order, three at most, PLAIN at last."""
    assert tried == choose(dataclasses.replace(CONFIG, **changes), who, ALL, private=True)


def test_what_is_tried_where_others_may_listen() -> None:
    """Without TLS the password itself is not sent, whatever else has failed."""
    assert ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5") == choose(CONFIG, WHO, ALL, private=False)


def test_scram_on_behalf_of_another() -> None:
    """SCRAM names the mailbox to open in its header, and proves it (RFC 5802 section 7)."""
    mechanism = Scram(dataclasses.replace(WHO, mailbox="a=b,c@example.com"), "SCRAM-SHA-256")
    first = mechanism.answer(b"")
    assert first is not None
    assert first.startswith(b"n,a=a=3Db=2Cc@example.com,n=user@example.com,r=")
    final = mechanism.answer(b"r=" + first.rpartition(b"r=")[2] + b"x,s=QSXCR+Q6sek8bf92,i=4096")
    assert final is not None
    assert final.startswith(b"c=" + base64.b64encode(b"n,a=a=3Db=2Cc@example.com,") + b",r=")


def test_scram_with_a_password_that_nobody_may_have() -> None:
    """A password that SASLprep forbids is no crash: SCRAM gives no answer, and another mechanism is tried."""
    assert Scram(dataclasses.replace(WHO, password="bell\x07"), "SCRAM-SHA-256").answer(b"") is None


@pytest.fixture
def exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """The server's side of NTLM, by pyspnego: given a message in base64, returns the next one, or its verdict."""
    spnego = pytest.importorskip("spnego")
    users = tmp_path / "users"
    users.write_text("FIRM:desk:pässwörd\n", "utf-8")
    monkeypatch.setenv("NTLM_USER_FILE", str(users))
    made = [spnego.server(protocol="ntlm", options=spnego.NegotiateOptions.use_ntlm)]

    def step(line: str) -> str:
        try:
            said = made[0].step(base64.b64decode(line))
        except spnego.exceptions.SpnegoError:
            return "NO [AUTHENTICATIONFAILED] no entry"
        return "OK welcome" if made[0].complete else "+ " + base64.b64encode(said).decode()

    return step


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("password", ["pässwörd", "wrong"])
def test_ntlm_when_asked_for(exchange: Callable[[str], str], protocol: str, password: str) -> None:
    """Asked for by name, NTLM logs in over both protocols, and a refusal is told in the server's words."""
    imap = protocol == "imap"

    def turn(line: str) -> str:
        said = exchange(line)
        if said.startswith("+"):
            return f"{said}\n"
        return f"{{idle}} {said}\n" if imap else f"{said.replace('OK', '+OK').replace('NO', '-ERR')}\n"

    answers = {
        "CAPABILITY": "* CAPABILITY IMAP4rev1 AUTH=NTLM AUTH=PLAIN\n{tag} OK done\n",
        "AUTHENTICATE NTLM": "+ \n",
    }
    if not imap:
        listing = "+OK\n.\n"
        answers = {"CAPA": "+OK\nSASL NTLM PLAIN\nUIDL\n.\n", "AUTH NTLM": "+ \n", "LIST": listing, "UIDL": listing}
    greeting = "* OK ready" if imap else "+OK ready"
    with scripted({**answers, "TLRMTVNTUAA": turn}, greeting, tagged=imap) as server:
        config = dataclasses.replace(
            CONFIG, host="127.0.0.1", port=server.port, security=Security.NONE, username="FIRM\\desk",
            password=password, login=LoginChoice.NTLM, protocol=MailProtocol(protocol),
        )  # fmt: skip
        box = ImapMailbox(config) if imap else Pop3Mailbox(config)
        if password == "wrong":
            with pytest.raises(LoginRefused, match=r"NTLM: \[AUTHENTICATIONFAILED\] no entry"):
                box.connect()
        else:
            assert "NTLM" == box.connected().mechanism
        box.close()
    assert password not in "".join(server.lines)


def test_ntlm_that_is_forbidden() -> None:
    """With `prevent_ntlm` it is not spoken even when the settings name it."""
    asked = dataclasses.replace(CONFIG, login=LoginChoice.NTLM)
    assert ("NTLM",) == choose(asked, WHO, ALL, private=True)
    with pytest.raises(LoginRefused, match="allowed here: none"):
        choose(dataclasses.replace(asked, prevent_ntlm=True), WHO, ALL, private=True)


def test_ntlm_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pyspnego is not installed, the refusal says what to install."""
    monkeypatch.setitem(sys.modules, "spnego", None)
    monkeypatch.setattr(ntlm, "spnego", lazy_import("spnego"))  # the module's own one may have been used before
    with pytest.raises(LoginRefused, match=r"pip install 'redmine-mailbridge\[ntlm\]'"):
        Ntlm(WHO)


def test_ntlm_is_never_tried_unasked() -> None:
    """Whatever is offered, NTLM is not among what is tried; alone, it is no login."""
    assert "NTLM" not in chain(choose(CONFIG, WHO, ALL, private=True))
    with pytest.raises(LoginRefused, match="offers NTLM"):
        choose(CONFIG, WHO, ["NTLM"], private=True)

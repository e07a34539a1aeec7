"""The bytes of the login mechanisms, by the examples of their documents, and which are tried."""

import dataclasses
from itertools import chain

import pytest

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.mailboxes.base import LoginChoice, MailboxConfig
from redmine_mailbridge.mailboxes.login.base import Credentials
from redmine_mailbridge.mailboxes.login.choose import choose
from redmine_mailbridge.mailboxes.login.cram_md5 import CramMd5
from redmine_mailbridge.mailboxes.login.oauth import OauthBearer, Xoauth2
from redmine_mailbridge.mailboxes.login.plain import Plain
from redmine_mailbridge.mailboxes.login.scram import Scram

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
        ({}, WHO, ("SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5")),
        ({"login": LoginChoice.LOGIN}, WHO, ("LOGIN",)),
        ({}, dataclasses.replace(WHO, mailbox="shared@example.com"), ("PLAIN",)),
        ({}, dataclasses.replace(WHO, password="", token="t"), ("OAUTHBEARER", "XOAUTH2")),
        ({"login": LoginChoice.XOAUTH2}, dataclasses.replace(WHO, token="t"), ("XOAUTH2",)),
    ],
)
def test_what_is_tried(changes: dict[str, LoginChoice], who: Credentials, tried: tuple[str, ...]) -> None:
    """The strongest three that settings, credentials and server allow are tried in order."""
    assert tried == choose(dataclasses.replace(CONFIG, **changes), who, ALL, private=True)


def test_ntlm_is_never_tried_unasked() -> None:
    """Whatever is offered, NTLM is not among what is tried; alone, it is no login."""
    assert "NTLM" not in chain(choose(CONFIG, WHO, ALL, private=True))
    with pytest.raises(LoginRefused, match="offers NTLM"):
        choose(CONFIG, WHO, ["NTLM"], private=True)

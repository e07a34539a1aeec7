"""Every way to log in, on a real Dovecot, over IMAP and over POP3."""

import dataclasses
import datetime as dt
import unicodedata
from pathlib import Path

import pytest

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.mailboxes.pop3.mailbox import Pop3Mailbox
from redmine_mailbridge.model.mailbox import LoginChoice, MailboxConfig, MailProtocol, Security
from tests.mail_worlds import DovecotAccount, config, dovecot_account
from tests.servers.dovecot import Mail

pytestmark = pytest.mark.real
LETTER = b"Subject: hello\r\n\r\nhello\r\n"
Box = ImapMailbox | Pop3Mailbox
EACH = [
    LoginChoice.SCRAM_SHA_256,
    LoginChoice.SCRAM_SHA_1,
    LoginChoice.CRAM_MD5,
    LoginChoice.PLAIN,
    LoginChoice.LOGIN,
]


@pytest.fixture
def account(dovecot: Mail) -> DovecotAccount:
    """A new account with one mail."""
    found = dovecot_account(dovecot)
    found.append(LETTER)
    return found


@pytest.fixture(params=["imap", "pop3"])
def settings(request: pytest.FixtureRequest, account: DovecotAccount, dovecot: Mail) -> MailboxConfig:
    """The account over either protocol with TLS."""
    protocol = MailProtocol(request.param)
    port = dovecot["imaps_port"] if protocol is MailProtocol.IMAP else dovecot["pop3s_port"]
    ca_file = Path(dovecot["ca_file"])
    return config(account, protocol=protocol, port=port, security=Security.TLS, ca_file=ca_file)


def opened(settings: MailboxConfig) -> Box:
    """Given a configuration, return the mailbox."""
    return Pop3Mailbox(settings) if settings.protocol is MailProtocol.POP3 else ImapMailbox(settings)


def used(settings: MailboxConfig) -> str:
    """Given a configuration, log in, see the one mail, and return the mechanism that was used."""
    box = opened(settings)
    try:
        assert [len(LETTER)] == [mail.size for mail in box.list_new("INBOX")]
        return box.session.mechanism
    finally:
        box.close()


def opened_with(settings: MailboxConfig) -> str:
    """Given a configuration, log in. Return the mechanism that was used."""
    box = opened(settings)
    try:
        return box.connected().mechanism
    finally:
        box.close()


@pytest.mark.parametrize("login", EACH)
def test_each_mechanism(settings: MailboxConfig, login: LoginChoice) -> None:
    """Each mechanism of the settings logs in, and is the one that is used."""
    assert login.value.upper() == used(dataclasses.replace(settings, login=login))


def test_apop(account: DovecotAccount, dovecot: Mail) -> None:
    """POP3's own APOP logs in, without TLS too, since the password itself is never sent."""
    made = config(account, protocol=MailProtocol.POP3, port=dovecot["pop3_port"], login=LoginChoice.APOP)
    assert "APOP" == used(dataclasses.replace(made, prevent_cleartext_login=True))


def test_auto_takes_the_strongest(settings: MailboxConfig) -> None:
    """`auto` takes SCRAM-SHA-256 where the server has it."""
    assert "SCRAM-SHA-256" == used(settings)


def test_a_password_that_must_not_be_sent(settings: MailboxConfig) -> None:
    """With `prevent_cleartext_login`, auto is content and PLAIN is refused before anything is sent."""
    careful = dataclasses.replace(settings, prevent_cleartext_login=True)
    assert "SCRAM-SHA-256" == used(careful)
    with pytest.raises(LoginRefused, match="no login mechanism is allowed by both settings and server"):
        used(dataclasses.replace(careful, login=LoginChoice.PLAIN))


@pytest.mark.parametrize("login", [LoginChoice.AUTO, LoginChoice.PLAIN, LoginChoice.LOGIN, LoginChoice.CRAM_MD5])
def test_a_refusal_in_the_servers_words(settings: MailboxConfig, login: LoginChoice) -> None:
    """A refused login shows the server's words and never the password, also one beyond ASCII."""
    wrong = dataclasses.replace(settings, login=login, password='falsches Wörd\\"7')
    with pytest.raises(LoginRefused, match=r"(?i)authentication failed") as refused:
        used(wrong)
    assert "Wörd" not in str(refused.value)


def test_a_mechanism_the_server_has_not(settings: MailboxConfig) -> None:
    """A token where the server takes none is refused, and the text names what the server offers."""
    by_token = dataclasses.replace(settings, password=None, token=lambda: "secret-token")
    with pytest.raises(LoginRefused, match=r"offers .*SCRAM-SHA-256.*allowed here: OAUTHBEARER, XOAUTH2") as refused:
        used(by_token)
    assert "secret-token" not in str(refused.value)


def test_a_shared_mailbox(settings: MailboxConfig, dovecot: Mail) -> None:
    """Who may open other people's mailboxes opens this one by the SASL authorization identity."""
    master = dovecot["master"]
    shared = dataclasses.replace(
        settings, username=master["user"], password=master["password"], authorize_as=settings.username
    )
    assert "SCRAM-SHA-256" == used(shared)
    assert "PLAIN" == used(dataclasses.replace(shared, login=LoginChoice.PLAIN))


@pytest.mark.parametrize("login", [LoginChoice.SCRAM_SHA_256, LoginChoice.SCRAM_SHA_1])
def test_a_shared_mailbox_without_sending_the_password(
    settings: MailboxConfig, dovecot: Mail, login: LoginChoice
) -> None:
    """SCRAM carries the authorization identity too."""
    master = dovecot["master"]
    shared = dataclasses.replace(
        settings, username=master["user"], password=master["password"], authorize_as=settings.username, login=login
    )
    assert login.value.upper() == used(shared)


@pytest.mark.parametrize("login", [*EACH, LoginChoice.AUTO])
def test_a_password_beyond_ascii(settings: MailboxConfig, dovecot: Mail, login: LoginChoice) -> None:
    """Each mechanism logs in with a password of letters beyond ASCII."""
    name, password = "umlaut@example.com", dovecot["users"]["umlaut"]
    mechanism = opened_with(dataclasses.replace(settings, username=name, password=password, login=login))
    assert (login.value.upper() if login is not LoginChoice.AUTO else "SCRAM-SHA-256") == mechanism


def test_a_password_typed_elsewhere(settings: MailboxConfig, dovecot: Mail) -> None:
    """A password whose letters come in two pieces, as some keyboards make them, is the same to SCRAM (SASLprep)."""
    apart = unicodedata.normalize("NFD", dovecot["users"]["umlaut"])
    typed = dataclasses.replace(settings, username="umlaut@example.com", password=apart)
    assert apart != dovecot["users"]["umlaut"]
    assert "SCRAM-SHA-256" == opened_with(typed)
    with pytest.raises(LoginRefused):
        opened_with(dataclasses.replace(typed, login=LoginChoice.PLAIN))


def test_a_password_that_the_server_does_not_prepare(settings: MailboxConfig, dovecot: Mail) -> None:
    """A password that SASLprep changes fails by SCRAM where the server takes it as it is; auto goes on and gets in."""
    wide = dataclasses.replace(settings, username="wide@example.com", password=dovecot["users"]["wide"])
    assert "PLAIN" == opened_with(wide)
    assert "CRAM-MD5" == opened_with(dataclasses.replace(wide, prevent_cleartext_login=True))


def test_a_master_user_by_name(settings: MailboxConfig, dovecot: Mail) -> None:
    """A master user may also be written into the name, as Dovecot has it (`mailbox*master`)."""
    name = f"{settings.username}*{dovecot['master']['user']}"
    by_name = dataclasses.replace(settings, username=name, password=dovecot["master"]["password"])
    assert "PLAIN" == used(dataclasses.replace(by_name, login=LoginChoice.PLAIN))


def test_starttls(settings: MailboxConfig, dovecot: Mail) -> None:
    """STARTTLS and STLS protect the connection before the login."""
    port = dovecot["imap_port"] if settings.protocol is MailProtocol.IMAP else dovecot["pop3_port"]
    assert "SCRAM-SHA-256" == used(dataclasses.replace(settings, security=Security.STARTTLS, port=port))


def test_what_the_connection_turned_out_to_be(settings: MailboxConfig) -> None:
    """A connection tells greeting, login, capabilities, TLS, the certificate's end, and how it files and waits."""
    box = opened(settings)
    found = box.connected()
    box.close()
    assert ("SCRAM-SHA-256", "TLSv1.3", True) == (found.mechanism, found.tls, "Dovecot" in found.greeting)
    assert found.certificate_until is not None
    assert 0 < (found.certificate_until - dt.datetime.now(dt.UTC)).days < 900
    imap = settings.protocol is MailProtocol.IMAP
    assert (("move", True) if imap else ("none", False)) == (found.moves, found.pushes)
    assert ("UIDPLUS" if imap else "UIDL") in found.capabilities

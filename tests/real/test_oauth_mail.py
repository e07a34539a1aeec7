"""Logging in with tokens: IMAP and POP3 on a real Dovecot that asks the provider about them, SMTP on aiosmtpd."""

import dataclasses
import uuid
from pathlib import Path

import pytest

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.mailboxes.base import LoginChoice, MailboxConfig, MailProtocol, Security
from redmine_mailbridge.mailboxes.factory import open_mailbox
from redmine_mailbridge.oauth.keeper import TokenSource
from redmine_mailbridge.store.engine import Database
from tests.real.test_oauth import database, person, sign_in, signs_of
from tests.servers.dovecot import Mail
from tests.servers.mail import Mailbox
from tests.servers.openid import OpenId

pytestmark = pytest.mark.real
__all__ = ["database"]


@pytest.fixture(params=["imap", "pop3"])
def config(request: pytest.FixtureRequest, oauth_dovecot: Mail) -> MailboxConfig:
    """A mailbox with one mail in it, read over one of the protocols."""
    address = f"box-{uuid.uuid4().hex[:12]}@example.com"
    Mailbox(oauth_dovecot, address).deliver(b"Subject: by token\r\n\r\nhello\r\n")
    return MailboxConfig(
        name="desk",
        host="127.0.0.1",
        port=oauth_dovecot[f"{request.param}s_port"],  # type: ignore[literal-required]
        username=address,
        protocol=MailProtocol(request.param),
        security=Security.TLS,
        ca_file=Path(oauth_dovecot["ca_file"]),
        token=lambda: "not-a-token",
    )


@pytest.fixture
def source(config: MailboxConfig, openid: OpenId, database: Database, tmp_path: Path) -> TokenSource:
    """The tokens of who owns the mailbox, signed in."""
    signs = signs_of(person(openid), database, tmp_path, account=config.username)
    sign_in(signs, openid)
    return signs.source("desk")


@pytest.mark.parametrize("login", ["auto", "xoauth2", "oauthbearer"])
def test_logging_in_by_token(config: MailboxConfig, source: TokenSource, login: str) -> None:
    """A token of the provider opens the mailbox by either mechanism; by itself the standard one is taken."""
    asked = dataclasses.replace(config, token=source, token_refused=source.refused, login=LoginChoice(login))
    box = open_mailbox(asked)
    expected = "OAUTHBEARER" if login == "auto" else login.upper()
    assert (expected, 1) == (box.connected().mechanism, len(box.list_new("INBOX")))
    box.close()


@pytest.mark.parametrize("login", ["xoauth2", "oauthbearer"])
def test_a_token_that_is_not_good(config: MailboxConfig, login: str) -> None:
    """The refusal holds the server's words and what they mean, and never the token; who gave it is told."""
    told: list[str] = []
    box = open_mailbox(dataclasses.replace(config, token_refused=told.append, login=LoginChoice(login)))
    with pytest.raises(LoginRefused, match="the token is not good") as refused:
        box.connect()
    assert ["not-a-token"] == told
    assert "not-a-token" not in str(refused.value)

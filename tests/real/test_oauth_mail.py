"""Logging in with tokens: IMAP and POP3 on a real Dovecot that asks the provider about them, SMTP on aiosmtpd."""

import dataclasses
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from redmine_mailbridge.errors import LoginRefused, SendingDeferred
from redmine_mailbridge.mailboxes.factory import open_mailbox
from redmine_mailbridge.model.mailbox import LoginChoice, MailboxConfig, MailProtocol, Security
from redmine_mailbridge.oauth.model import Tokens
from redmine_mailbridge.oauth.token_manager import TokenSource
from redmine_mailbridge.outgoing.smtp import SmtpTransport
from redmine_mailbridge.settings.outgoing import OutgoingSettings
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.tasks.service.service import receive_once
from redmine_mailbridge.wiring import application as app
from redmine_mailbridge.wiring import oauth as signing_in
from redmine_mailbridge.wiring.sending import smtp_config
from tests.product import Product, box_values, mail, product
from tests.real.test_oauth import DESK, database, person, sign_in, signs_of
from tests.servers.dovecot import Mail
from tests.servers.fixtures import Redmine
from tests.servers.graph import graph_server
from tests.servers.mail import Mailbox
from tests.servers.openid import OpenId
from tests.servers.processes import wait_until
from tests.servers.token_smtp import token_smtp

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
    with pytest.raises(LoginRefused, match="the token is invalid") as refused:
        box.connect()
    assert ["not-a-token"] == told
    assert "not-a-token" not in str(refused.value)


@pytest.mark.parametrize("login", ["auto", "xoauth2", "oauthbearer"])
def test_sending_by_token(openid: OpenId, database: Database, tmp_path: Path, login: str) -> None:
    """A token of the provider sends mail by either mechanism; a refusal defers, in words, without the token."""
    signs = signs_of(person(openid), database, tmp_path)
    sign_in(signs, openid)
    expected = ("XOAUTH2", b"") if login == "xoauth2" else ("OAUTHBEARER", b"\x01")
    out = OutgoingSettings(host="127.0.0.1", security="none", username=DESK, login=login)
    with token_smtp(openid.introspection) as server:
        config = smtp_config(out.model_copy(update={"port": server.port}), "127.0.0.1", signs.source("desk"))
        with SmtpTransport(config) as transport:
            transport.send(DESK, "customer@example.org", b"Subject: answer\r\n\r\nhello\r\n")
        assert ([expected[0]], 1) == (server.by, len(server.taken))
        told: list[str] = []
        bad = dataclasses.replace(config, token=lambda: "not-a-token", token_refused=told.append)
        words = r"535 5\.7\.8 .*the token is invalid.*scope mail"
        with pytest.raises(SendingDeferred, match=words) as refused, SmtpTransport(bad):
            pass
        assert (["not-a-token"], [expected[1]]) == (told, server.acknowledged)
        assert "not-a-token" not in str(refused.value)
        signs.forget("desk")
        with pytest.raises(SendingDeferred, match="no sign-in as"), SmtpTransport(config):
            pass


@dataclass(slots=True)
class Desk:
    """The product with two mailboxes: "desk" reads `own` by token, "support" reads another by password."""

    bridge: Product
    openid: OpenId
    own: Mailbox
    redmine: Redmine
    project: str

    def log_in(self) -> None:
        """Somebody signs in for desk."""
        with signing_in.opened(self.bridge.settings()) as signs:
            sign_in(signs, self.openid)

    def kept(self) -> Tokens:
        """What the store holds for desk."""
        with signing_in.opened(self.bridge.settings()) as signs:
            row = signs._rows.find("desk")
            assert row is not None
            assert row.sealed is not None
            return signs.token_manager.opened(signs.connections["desk"], row.sealed)

    def revoke(self) -> Tokens:
        """The provider ends the sign-in, and the token's time is nearly over. Return the tokens."""
        kept = self.kept()
        data = {"token": kept.refresh, "client_id": "bridge"}
        requests.post(f"{self.openid.issuer}/token/revocation", data=data, timeout=10)
        with signing_in.opened(self.bridge.settings()) as signs:
            row = signs._rows.find("desk")
            assert row is not None
            signs._rows.stale("desk", row.version)
        return kept

    def until_it_ends(self) -> None:
        """Wait until the token's time is over."""
        end = self.kept().expires_at
        wait_until(lambda: time.time() > end, "the token ends", 30)

    def issues(self) -> int:
        """How many issues there are."""
        return len(self.redmine.admin.issues(self.project))


def one_pass(application: app.Application) -> dict[str, str | None]:
    """Make one pass over both mailboxes, on connections of its own. Return their errors."""
    found = receive_once(application.receivers)
    for receiver in application.receivers:
        receiver.mailbox.close()
    return {one.mailbox: one.error for one in found}


WELL = {"support": None, "desk": None}


@pytest.fixture
def desk(redmine: Redmine, mailbox: Mailbox, openid: OpenId, oauth_dovecot: Mail, tmp_path: Path) -> Desk:
    own, project = Mailbox(oauth_dovecot, f"box-{uuid.uuid4().hex[:12]}@example.com"), redmine.fresh_project()
    bridge = product(tmp_path, redmine, mailbox, project)
    values = box_values(own, project)
    del values["password"]
    tls = {"security": "tls", "port": oauth_dovecot["imaps_port"], "ca_file": oauth_dovecot["ca_file"]}
    provider = {"issuer": openid.issuer, "client_id": "bridge", "scopes": ["openid", "email", "offline_access"]}
    bridge.change({"mailboxes": {"desk": values | tls | {"oauth": "local"}}, "oauth": {"local": provider}})
    return Desk(bridge, openid, own, redmine, project)


def test_tokens_that_end_in_the_middle_of_a_run(desk: Desk) -> None:
    """Mail read by token becomes issues; tokens that end meanwhile are renewed; an outage is `later`."""
    desk.openid.control(life=1)
    desk.log_in()
    with desk.bridge.application() as application:
        desk.own.deliver(mail("By token"))
        desk.until_it_ends()
        desk.openid.control(life=3)  # seconds: a busy machine takes one to log in
        assert WELL == one_pass(application)
        assert (1, 2) == (desk.issues(), desk.openid.renewals())

        desk.openid.control(down=True)
        desk.own.deliver(mail("During an outage"))
        desk.until_it_ends()
        assert "503" in str(one_pass(application)["desk"])
        desk.openid.control(down=False, life=3600)
        assert WELL == one_pass(application)
    assert 2 == desk.issues()


def test_a_revoked_sign_in_stops_one_mailbox_only(desk: Desk, mailbox: Mailbox) -> None:
    """It says what to run, loses nothing, and lets the other mailbox go on; signing in again brings what waited."""
    desk.log_in()
    kept = desk.revoke()
    desk.own.deliver(mail("While signed out"))
    mailbox.deliver(mail("To the other"))
    with desk.bridge.application() as application:
        found = one_pass(application)
        assert found["support"] is None
        assert "deactivated" in str(found["desk"])
        assert "run redmine-mailbridge oauth login desk" in str(found["desk"])
        assert 1 == desk.issues()
        assert (1, 0) == (desk.own.count()["INBOX"], desk.own.count().get("Failed", 0))
        desk.log_in()
        assert WELL == one_pass(application)
    assert 2 == desk.issues()
    everything = b"".join(file.read_bytes() for file in desk.bridge.folder.rglob("*") if file.is_file())
    assert kept.refresh.encode() not in everything
    assert kept.access.encode() not in everything


def test_a_mailbox_over_graph(desk: Desk) -> None:
    """Mail read over Graph with the provider's token becomes issues, and lies in the success folder, once."""
    with graph_server() as server:
        table = {"protocol": "graph", "port": server.port, "security": "none", "address": server.user}
        desk.bridge.change({"mailboxes": {"desk": table}})
        desk.log_in()
        server.token = desk.kept().access
        server.append(mail("Over Graph"), mail("Over Graph too"))
        for _ in range(2):  # the second one is a process of its own
            with desk.bridge.application() as application:
                assert WELL == one_pass(application)
        assert 2 == desk.issues()
        assert (0, 2) == (len(server.contents()), len(server.contents("Processed")))


def test_what_the_commands_say(desk: Desk) -> None:
    """`oauth status` and `check` say what to run while nobody is signed in, and who is once somebody is."""
    before = desk.bridge.quick("oauth", "status")
    assert (1, True) == (before.exit_code, "not signed in: run redmine-mailbridge oauth login desk" in before.output)
    assert "run redmine-mailbridge oauth login desk" in desk.bridge.quick("check", "--mailbox", "desk").output
    desk.log_in()
    after = desk.bridge.quick("oauth", "status")
    assert (0, True) == (after.exit_code, f"signed in as {desk.own.address}" in after.output)
    assert f"local, signed in as {desk.own.address}" in desk.bridge.quick("check", "--mailbox", "desk").output
    assert "desk: sign-in deleted" in desk.bridge.quick("oauth", "forget", "desk").output
    wrong = desk.bridge.quick("oauth", "forget", "dask")
    assert (2, True) == (wrong.exit_code, 'did you mean "desk"' in wrong.output)

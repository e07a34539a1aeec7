"""Logging in to an SMTP server: the strongest way that both sides know, and no other than is allowed."""

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session
from scramp import ScramMechanism

from redmine_mailbridge.errors import SendingDeferred
from redmine_mailbridge.outgoing.smtp import SmtpTransport
from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from tests.scripted_server import Reply, scripted
from tests.servers.processes import free_port

SECRET = "grüße"


class Server:
    """Knows SCRAM and CRAM-MD5 beside aiosmtpd's own, and what was logged in by."""

    def __init__(self) -> None:
        self.tried: list[str] = []
        self.password = SECRET

    def note(self, name: str, *, right: bool) -> AuthResult:
        self.tried.append(name)
        return AuthResult(success=right, handled=False, auth_data="support")

    async def auth_SCRAM__SHA__256(self, server: SMTP, _args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name
        mechanism = ScramMechanism("SCRAM-SHA-256")
        keys = mechanism.make_auth_info(self.password, iteration_count=4096)
        side = mechanism.make_server(lambda _user: keys)
        side.set_client_first((await self.ask(server, "")).decode())
        try:
            side.set_client_final((await self.ask(server, side.get_server_first())).decode())
        except Exception:  # noqa: BLE001 - scramp's own, for a wrong proof
            return self.note("SCRAM-SHA-256", right=False)
        await self.ask(server, side.get_server_final())
        return self.note("SCRAM-SHA-256", right=True)

    async def auth_CRAM__MD5(self, server: SMTP, _args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name
        challenge = "<1.2@mail.example.com>"
        digest = hmac.new(self.password.encode(), challenge.encode(), "md5").hexdigest()
        said = await self.ask(server, challenge)
        return self.note("CRAM-MD5", right=said == f"support {digest}".encode())

    async def auth_NTLM(self, server: SMTP, _args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name
        said = await server.challenge_auth("ntlm supported", encode_to_b64=False)
        assert isinstance(said, bytes)
        return self.note("NTLM", right=said.startswith(b"NTLMSSP\0\1"))

    @staticmethod
    async def ask(server: SMTP, challenge: str) -> bytes:
        said: Any = await server.challenge_auth(challenge)
        return b"" if said is MISSING else bytes(said)

    def by_password(
        self, _server: SMTP, _session: Session, _envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        right = (data.login, data.password) == (b"support", self.password.encode())
        return self.note(mechanism, right=right)


@contextmanager
def running(without: tuple[str, ...] = ()) -> Iterator[tuple[Server, SmtpConfig]]:
    """A server that offers all but these."""
    handler, port = Server(), free_port()
    controller = Controller(
        handler, "127.0.0.1", port, authenticator=handler.by_password, auth_require_tls=False,
        auth_exclude_mechanism=without,
    )  # fmt: skip
    controller.start()
    try:
        yield handler, SmtpConfig("127.0.0.1", port, "none", "support", SECRET, timeout=10.0)
    finally:
        controller.stop()


@pytest.mark.parametrize(
    ("without", "login", "tried"),
    [
        ((), "auto", ["SCRAM-SHA-256"]),
        (("SCRAM-SHA-256",), "auto", ["CRAM-MD5"]),
        (("SCRAM-SHA-256", "CRAM-MD5"), "auto", ["PLAIN"]),
        (("SCRAM-SHA-256", "CRAM-MD5", "PLAIN"), "auto", ["LOGIN"]),
        ((), "cram-md5", ["CRAM-MD5"]),
        ((), "login", ["LOGIN"]),
        ((), "ntlm", ["NTLM"]),
    ],
)
def test_each_mechanism(without: tuple[str, ...], login: str, tried: list[str]) -> None:
    """The strongest that is offered, or the one that is named; NTLM never unasked."""
    if login == "ntlm":
        pytest.importorskip("spnego")
    with running(without) as (server, config), SmtpTransport(replace(config, login=login)):
        pass
    assert tried == server.tried


def test_what_must_not_be_used_is_not() -> None:
    """Where the mailbox's password must not be sent, it is not sent for sending mail either; nor is NTLM spoken."""
    with running(("SCRAM-SHA-256", "CRAM-MD5")) as (server, config):
        forbidden = replace(config, prevent_cleartext_login=True)
        with (
            pytest.raises(SendingDeferred, match=r"the server offers .*PLAIN.*; allowed here: SCRAM"),
            SmtpTransport(forbidden),
        ):
            pass
        never = replace(config, login="ntlm", prevent_ntlm=True)
        with pytest.raises(SendingDeferred, match="allowed here: none"), SmtpTransport(never):
            pass
    assert [] == server.tried


def test_a_wrong_password_is_tried_three_times_at_most_and_never_told() -> None:
    """Each try is named with the server's words; an account is not locked by a row of them."""
    with running() as (server, config):
        server.password = "another"
        with (
            pytest.raises(SendingDeferred, match=r"535 SCRAM-SHA-256: .*; CRAM-MD5: .*; PLAIN: ") as error,
            SmtpTransport(config),
        ):
            pass
    assert ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN"] == server.tried
    assert SECRET not in str(error.value)


def smtp(answers: dict[str, Reply], **changes: Any) -> str:
    """Log in to a server that refuses it. Return the error."""
    hello = {"EHLO": "250-mail\n250 AUTH LOGIN PLAIN XOAUTH2 NTLM\n", "QUIT": "221 bye\n"}
    with scripted(hello | answers, "220 ready", tagged=False) as server:
        config = SmtpConfig("127.0.0.1", server.port, "none", "me", "hunter22", timeout=5.0)
        with pytest.raises(SendingDeferred) as caught, SmtpTransport(replace(config, **changes)):
            pass
    return str(caught.value)


@pytest.mark.fault("A18-1")
@pytest.mark.parametrize("before", [0, 470, 495])
def test_a_server_that_repeats_what_it_was_sent(before: int) -> None:
    """Neither the password nor a token is shown, in whatever form and place a server repeats it."""
    padding = "x" * before
    echo = {"AUTH LOGIN": "334 \n", "BWU=": "334 \n", "AUTH PLAIN": lambda line: f"535 {padding} {line}\n"}
    text = smtp(echo | {"AHVU": lambda line: f"535 {padding} hunter22 {line} no\n"})
    assert [] == [form for form in ("hunte", "aHVudG", "h1bnRlcj") if form in text]
    token = "ya29." + "T0ken-" * 200
    text = smtp(
        {"AUTH XOAUTH2": lambda line: f"535 {padding} {token} {line}\n"},
        token=lambda: token, mechanisms=("XOAUTH2",), password="",
    )  # fmt: skip
    assert [] == [form for form in ("T0ken", "VDBrZW4", "QwazW4", "UMGtlbi") if form in text]


@pytest.mark.fault("A18-2")
def test_control_characters_in_a_servers_words() -> None:
    """What a server says is one line that no terminal obeys."""
    text = smtp({"AUTH": "535-\x1b[2Jno\n535 \x07not now\n"}, login="plain")
    assert (True, True) == (text.isprintable(), "not now" in text)


@pytest.mark.fault("A18-3")
def test_an_answer_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never ends its answer is left."""
    monkeypatch.setattr("redmine_mailbridge.outgoing.smtp_client.MOST_LINES", 500)
    assert "no end" in smtp({"AUTH": "334-\n" * 2000}, login="plain")
    assert "no end" in smtp({"EHLO": "250-X\n" * 2000})


@pytest.mark.fault("A18-4")
def test_an_odd_challenge_of_ntlm() -> None:
    """A challenge that is none of NTLM's ends the login with a refusal, not with a fault of ours."""
    pytest.importorskip("spnego")
    assert "NTLM" in smtp({"AUTH NTLM": "334 \n", "TLRM": "334 TlRM\n", "*": "501 cancelled\n"}, login="ntlm")

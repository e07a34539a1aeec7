"""An SMTP server that takes OAuth tokens: aiosmtpd, which asks the OpenID provider whether a token is good."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session, auth_mechanism

from tests.servers.processes import free_port

REFUSED = {"XOAUTH2": {"status": "400", "schemes": "bearer", "scope": "mail"},
           "OAUTHBEARER": {"status": "invalid_token", "scope": "mail"}}  # fmt: skip


class TokenSmtp:
    """Takes XOAUTH2 and OAUTHBEARER. `taken` holds sender, recipients and mail of each, `by` each login's mechanism."""

    def __init__(self, introspection: str) -> None:
        self.introspection = introspection
        self.port = free_port()
        self.taken: list[tuple[str, tuple[str, ...], bytes]] = []
        self.by: list[str] = []
        self.acknowledged: list[bytes] = []

    @auth_mechanism("XOAUTH2")
    async def auth_xoauth2(self, server: SMTP, args: list[str]) -> AuthResult:
        message = base64.b64decode(args[1]).decode()
        user, _, rest = message.removeprefix("user=").partition("\x01")
        return await self._judge(server, "XOAUTH2", user, rest.removeprefix("auth=Bearer ").rstrip("\x01"))

    @auth_mechanism("OAUTHBEARER")
    async def auth_oauthbearer(self, server: SMTP, args: list[str]) -> AuthResult:
        head, *pieces = base64.b64decode(args[1]).decode().split("\x01")
        values = dict(piece.split("=", 1) for piece in pieces if piece)
        user = head.split(",")[1].removeprefix("a=")
        return await self._judge(server, "OAUTHBEARER", user, values["auth"].removeprefix("Bearer "))

    def _ask(self, token: str) -> Any:
        return requests.post(self.introspection, data={"token": token}, timeout=10).json()

    async def _judge(self, server: SMTP, mechanism: str, user: str, token: str) -> AuthResult:
        said = await asyncio.to_thread(self._ask, token)
        if said["active"] and said["sub"] == user:
            self.by.append(mechanism)
            return AuthResult(success=True)
        answer = await server.challenge_auth(json.dumps(REFUSED[mechanism]))
        self.acknowledged.append(answer if isinstance(answer, bytes) else b"missing")
        return AuthResult(success=False, handled=False, message="535 5.7.8 token not accepted")

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        assert isinstance(envelope.content, bytes)
        self.taken.append((str(envelope.mail_from), tuple(envelope.rcpt_tos), envelope.content))
        return "250 OK"


@contextlib.contextmanager
def token_smtp(introspection: str) -> Iterator[TokenSmtp]:
    """Given the provider's introspection, serve until the end of the block. A login is needed."""
    made = TokenSmtp(introspection)
    controller = Controller(
        made, "127.0.0.1", made.port, auth_require_tls=False, auth_exclude_mechanism=["PLAIN", "LOGIN"]
    )
    controller.start()
    try:
        yield made
    finally:
        controller.stop()

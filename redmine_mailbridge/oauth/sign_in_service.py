"""Signing in: what the command line and the admin page call. A person proves who they are to the provider only.

A sign-in that has begun is kept, sealed, so that whichever process the provider's answer comes to can end it.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qs, urlsplit

import structlog

from redmine_mailbridge.errors import LoginRefused, SettingsError
from redmine_mailbridge.oauth.client import Denied, ProviderClient
from redmine_mailbridge.oauth.encryption import Encryption
from redmine_mailbridge.oauth.model import (
    CodeFlow,
    ConnectionStatus,
    DeviceFlow,
    Grant,
    Polled,
    SignInConnection,
    Tokens,
)
from redmine_mailbridge.oauth.token_manager import TokenManager, TokenSource
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.tokens import TokenRows
from redmine_mailbridge.util.suggest import did_you_mean

log = structlog.get_logger(__name__)

CODE_LIFE = 900.0
"""Seconds that a person has for signing in by browser."""
NOT_YET = {"authorization_pending": 0.0, "slow_down": 5.0}
"""Answers to a device's question before somebody has signed in, and by how much to slow down (RFC 8628, 3.5)."""


class SignIns:
    """All connections of the settings, their tokens, and how people sign in to them. Safe for many threads."""

    def __init__(
        self,
        connections: Mapping[str, SignInConnection],
        database: Database,
        encryption: Encryption,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.connections = connections
        self._rows = TokenRows(database, clock)
        self._encryption = encryption
        self._clock = clock
        self._clients = {name: ProviderClient(connection.provider, clock) for name, connection in connections.items()}
        self.token_manager = TokenManager(self._rows, encryption, lambda connection: self._clients[connection.name])

    def source(self, name: str) -> TokenSource:
        """Given a connection's name, return what gives its tokens."""
        return TokenSource(self.token_manager, self.connections[name])

    def connection(self, name: str) -> SignInConnection:
        """Given a name that a person wrote, return the connection. Raise SettingsError when there is none."""
        if name not in self.connections:
            near = did_you_mean(name, self.connections) or f"; there are: {', '.join(self.connections) or 'none'}"
            raise SettingsError(f'"{name}" signs in nowhere by OAuth{near}')
        return self.connections[name]

    # ------------------------------------------------------------------ by browser

    def begin_code_flow(self, name: str, redirect_uri: str) -> CodeFlow:
        """Given a connection and where the provider shall send the browser back to, return the address to open.

        Raise ProviderAway, LoginRefused, SettingsError.
        """
        connection = self._of_a_person(name)
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        url = self._clients[name].authorization_url(redirect_uri, state, verifier, connection.account)
        sealed = self._encryption.encrypt({"verifier": verifier, "redirect_uri": redirect_uri})
        self._rows.begin(f"code:{state}", name, sealed, ends_at=self._clock() + CODE_LIFE)
        return CodeFlow(url, state)

    def finish_code_flow(self, answer: str, *, state: str | None = None) -> ConnectionStatus:
        """Given the address that the provider sent the browser to, whole or from the ? on, keep the tokens.

        With `state`, only the answer to this very sign-in counts. Return the state of the connection.
        Raise LoginRefused when the provider or the person said no, or no such sign-in is under way; ProviderAway.
        """
        query = {key: values[0] for key, values in parse_qs(urlsplit(answer).query or answer.lstrip("?")).items()}
        returned_state = query.get("state", "")
        row = (
            self._rows.under_way(f"code:{returned_state}")
            if returned_state and state in {None, returned_state}
            else None
        )
        if row is None or row.connection not in self.connections or not self._rows.end(f"code:{returned_state}"):
            raise LoginRefused("no sign-in is under way that this is the answer to: begin again")
        connection = self.connections[row.connection]
        issuer = connection.provider.issuer.rstrip("/")
        if "iss" in query and issuer and query["iss"].rstrip("/") != issuer:  # RFC 9207
            raise LoginRefused(f"oauth {connection.name}: the answer comes from another provider: begin again")
        if "code" not in query:
            words = " ".join(f"{query.get('error', 'no code')} {query.get('error_description', '')}".split())[:400]
            raise LoginRefused(f"oauth {connection.name}: {connection.provider.title} says: {words}")
        opened = self._encryption.decrypt(row.sealed)
        tokens = self._clients[connection.name].by_code(query["code"], opened["redirect_uri"], opened["verifier"])
        return self._keep(connection, tokens)

    # ------------------------------------------------------------------ by device code

    def begin_device(self, name: str) -> DeviceFlow:
        """Given a connection, return what a person opens and types, on whatever device. Raises as `begin_code_flow`."""
        self._of_a_person(name)
        fields = self._clients[name].device()
        ident, ends_at = secrets.token_urlsafe(32), self._clock() + float(fields.get("expires_in", 900))
        interval = max(1.0, float(fields.get("interval", 5)))
        self._rows.begin(
            f"device:{ident}", name, self._encryption.encrypt({"code": fields["device_code"]}), ends_at=ends_at
        )
        return DeviceFlow(
            ident,
            str(fields["user_code"]),
            str(fields["verification_uri"]),
            str(fields.get("verification_uri_complete") or fields["verification_uri"]),
            interval,
            ends_at,
        )

    def poll_device(self, flow: DeviceFlow) -> Polled:
        """Given a sign-in that has begun, ask once whether somebody has signed in. Ask again after `wait` seconds.

        Raise LoginRefused when it was refused or its time is over; ProviderAway, after which it may be asked again.
        """
        row = self._rows.under_way(f"device:{flow.id}")
        if row is None or row.connection not in self.connections:
            raise LoginRefused("the time for this sign-in is over: begin again")
        connection = self.connections[row.connection]
        try:
            tokens = self._clients[connection.name].by_device(self._encryption.decrypt(row.sealed)["code"])
        except Denied as error:
            if error.code in NOT_YET:
                return Polled(None, flow.interval + NOT_YET[error.code])
            self._rows.end(f"device:{flow.id}")
            raise
        self._rows.end(f"device:{flow.id}")
        return Polled(self._keep(connection, tokens))

    # ------------------------------------------------------------------ what is kept

    def status(self) -> tuple[ConnectionStatus, ...]:
        """The state of every connection; no provider is asked."""
        return tuple(self.token_manager.standing(connection) for connection in self.connections.values())

    def forget(self, name: str) -> bool:
        """Given a connection, or one that the settings no longer have, remove what is kept of it.

        Return whether there was anything. Raise SettingsError if the name does not exist.
        """
        if name not in self.connections and self._rows.forget(name):
            return True
        return self.token_manager.forget(self.connection(name))

    def _of_a_person(self, name: str) -> SignInConnection:
        connection = self.connection(name)
        if connection.provider.grant is not Grant.SIGN_IN:
            words = f'grant = "{connection.provider.grant}": it needs no sign-in'
            raise SettingsError(f"[oauth.{connection.provider.name}] {words}")
        return connection

    def _keep(self, connection: SignInConnection, tokens: Tokens) -> ConnectionStatus:
        if not tokens.refresh:
            words = "gave no refresh token, so that this would end soon: is offline access among the scopes?"
            raise LoginRefused(f"oauth {connection.name}: {connection.provider.title} {words}")
        self.token_manager.keep(connection, tokens)
        log.info("oauth.signed_in", connection=connection.name, signed_in_as=tokens.signed_in_as)
        return self.token_manager.standing(connection)

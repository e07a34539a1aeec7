"""Gives tokens that are good now: renews them before they end, one renewal at a time over all processes.

    kept and fresh  → given
    about to end    → one process takes the lease, asks the provider, puts in what it got under the next version;
                      the others give the old token while it lasts, and else wait for the new one
    provider away   → the old token while it lasts; else ProviderAway: later
    provider says no (invalid_grant) → the connection is deactivated: SignInNeeded, without asking it again

A refresh token that the provider changes at each renewal is never lost between processes: whoever renews holds
the lease, and what it gets is put in only where its predecessor is still stored. Nor when the store cannot take it just
then: it is used from memory, and put in before anything else is asked.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from redmine_mailbridge.errors import ProviderAway, SignInNeeded, StoreError
from redmine_mailbridge.oauth.client import Denied, ProviderClient
from redmine_mailbridge.oauth.encryption import Encryption, Unsealable
from redmine_mailbridge.oauth.model import ConnectionStatus, Grant, SignInConnection, Tokens
from redmine_mailbridge.store.tokens import TokenRow, TokenRows
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

FOR_GOOD = frozenset({"invalid_grant", "interaction_required", "login_required", "consent_required"})
"""Answers to a renewal that only a person can change (RFC 6749 5.2; OpenID Connect Core 3.1.2.6)."""
LEASE = 120.0
"""Seconds that a renewal may take before another process thinks that its holder died."""
PATIENCE = 60.0
NEXT_TRY = 30.0
YOUNG = 60.0
"""Seconds within which a new token that a mail server refuses is not renewed once more: that would change nothing."""


class TokenManager:
    """Keeps the tokens of some connections. Safe for many threads."""

    def __init__(
        self, rows: TokenRows, encryption: Encryption, client_of: Callable[[SignInConnection], ProviderClient]
    ) -> None:
        self._rows = rows
        self._encryption = encryption
        self._client_of = client_of
        self._locks: dict[str, threading.Lock] = {}
        self._unkept: dict[str, tuple[int, Tokens]] = {}
        """What the provider gave and the store has not taken yet, with the version of what it replaces."""

    def token(self, connection: SignInConnection) -> str:
        """Given a connection, return an access token that is good now.

        Raise SignInNeeded when a person must sign in, ProviderAway when it must be tried later, LoginRefused when
        the provider refuses for what is wrong with the application (its secret, its rights).
        """
        deadline = time.monotonic() + PATIENCE
        with self._locks.setdefault(connection.name, threading.Lock()):
            while True:
                token = self._once(connection)
                if token is not None:
                    return token
                if time.monotonic() > deadline:
                    raise ProviderAway(f"oauth {connection.name}: another process has been renewing the token for long")
                time.sleep(0.1)

    def _once(self, connection: SignInConnection) -> str | None:
        """One look at what is kept. Return a token; None when another process renews it and must be waited for."""
        if connection.name in self._unkept:
            return self._put_in(connection)
        row = self._rows.find(connection.name)
        kept = self._kept(connection, row)
        now = self._rows.clock()
        if kept is not None and now < min(kept.expires_at, row.renew_at if row else 0.0):
            return kept.access
        if not self._rows.lease(connection.name, row.version if row else 0, LEASE):
            return kept.access if kept is not None and now < kept.expires_at else None
        return self._renewed(connection, row.version if row else 0, kept)

    def _kept(self, connection: SignInConnection, row: TokenRow | None) -> Tokens | None:
        """Given what is kept, return the tokens. Raise SignInNeeded where a person must do something first."""
        by_person = connection.provider.grant is Grant.SIGN_IN
        who = f"oauth {connection.name}"
        if row is not None and row.refused is not None and by_person:
            raise SignInNeeded(f"{who}: deactivated: {row.refused}; {connection.remedy}")
        if row is not None and row.sealed is not None:
            try:
                return self.opened(connection, row.sealed)
            except Unsealable as error:
                if by_person:
                    raise SignInNeeded(f"{who}: the kept sign-in {error}; {connection.remedy}") from None
        elif by_person:
            raise SignInNeeded(f"{who}: no sign-in as {connection.account}; {connection.remedy}")
        return None

    def _renewed(self, connection: SignInConnection, version: int, kept: Tokens | None) -> str | None:
        """Holding the lease, ask the provider. Return the new token; None if a new sign-in took place meanwhile."""
        try:
            fresh = self._asked(connection, kept)
        except ProviderAway as error:
            now = self._rows.clock()
            self._rows.give_back(connection.name, version, renew_at=now + NEXT_TRY if kept else None)
            if kept is None or now >= kept.expires_at:
                raise
            log.warning("oauth.not_renewed", connection=connection.name, reason=str(error))
            return kept.access
        except Denied as error:
            if error.code not in FOR_GOOD or connection.provider.grant is not Grant.SIGN_IN:
                self._rows.give_back(connection.name, version)
                raise
            if not self._rows.refuse(connection.name, version, str(error)):
                return None
            log.error("oauth.deactivated", connection=connection.name, reason=str(error))  # noqa: TRY400 - one line
            raise SignInNeeded(f"oauth {connection.name}: deactivated: {error}; {connection.remedy}") from None
        except BaseException:
            self._rows.give_back(connection.name, version)
            raise
        self._unkept[connection.name] = (version, fresh)
        return self._put_in(connection)

    def _put_in(self, connection: SignInConnection) -> str | None:
        """Put in what the provider gave. Return its token; None when there are other tokens by now, or it is over.

        Where the store does not take it, it is good all the same, for as long as it lasts. Raise StoreError then.
        """
        version, fresh = self._unkept[connection.name]
        lifetime = fresh.expires_at - self._rows.clock()
        times = {"renew_at": fresh.renew_at, "expires_at": fresh.expires_at}
        try:
            kept = self._rows.renewed(connection.name, version, self.sealed(connection, fresh), **times)
        except StoreError as error:
            if lifetime <= 0:
                raise
            log.error("oauth.not_stored", connection=connection.name, reason=str(error))  # noqa: TRY400 - one line
            return fresh.access
        del self._unkept[connection.name]
        if not kept or lifetime <= 0:
            return None
        log.info("oauth.renewed", connection=connection.name, good_for=round(lifetime))
        return fresh.access

    def _asked(self, connection: SignInConnection, kept: Tokens | None) -> Tokens:
        client = self._client_of(connection)
        if connection.provider.grant is not Grant.SIGN_IN:
            return client.by_itself(connection)
        if kept is None or not kept.refresh:
            raise Denied("the provider gave no refresh token (is offline access among the scopes?)", "invalid_grant")
        return client.renew(kept.refresh)

    def refused(self, connection: SignInConnection, token: str) -> None:
        """Given a token that a mail server does not take, have it renewed before it is given again.

        Not when it is new: the fault is another one then.
        """
        row = self._rows.find(connection.name)
        if row is None or row.sealed is None or 0 <= self._rows.clock() - (row.renewed_at or 0.0) < YOUNG:
            return
        try:
            same = self.opened(connection, row.sealed).access == token
        except Unsealable:
            return
        if same:
            self._rows.stale(connection.name, row.version)

    # ------------------------------------------------------------------ what is kept

    def keep(self, connection: SignInConnection, tokens: Tokens) -> None:
        """Somebody signed in: keep what the provider gave."""
        self._rows.signed_in(
            connection.name,
            self.sealed(connection, tokens),
            signed_in_as=tokens.signed_in_as,
            renew_at=tokens.renew_at,
            expires_at=tokens.expires_at,
        )

    def sealed(self, connection: SignInConnection, tokens: Tokens) -> bytes:
        """Given tokens, return them sealed, together with whose they are."""
        values = {"access": tokens.access, "refresh": tokens.refresh, "expires_at": tokens.expires_at}
        values |= {"renew_at": tokens.renew_at, "signed_in_as": tokens.signed_in_as}
        return self._encryption.encrypt(values | _whose(connection))

    def opened(self, connection: SignInConnection, sealed: bytes) -> Tokens:
        """Given sealed tokens, return them. Raise Unsealable when they are of another account or application."""
        values = self._encryption.decrypt(sealed)
        values.pop("connection", None)  # earlier versions sealed the name, which may change
        for name, value in _whose(connection).items():
            if values.pop(name, None) != value:
                raise Unsealable(f"is of another {name.replace('_', ' ')}")
        return Tokens(**values)

    def standing(self, connection: SignInConnection) -> ConnectionStatus:
        """The state of a connection, without asking the provider."""
        row = self._rows.find(connection.name)
        begun = ConnectionStatus(
            connection.name, connection.provider.name, connection.account, connection.provider.grant, "not signed in"
        )
        return replace(begun, **self._found(connection, row))

    def _found(self, connection: SignInConnection, row: TokenRow | None) -> dict[str, Any]:
        by_person = connection.provider.grant is Grant.SIGN_IN
        if row is None or row.sealed is None:
            return {"reason": connection.remedy} if by_person else {"state": "automatic"}
        values: dict[str, Any] = {"signed_in_as": row.signed_in_as, "signed_in_at": row.signed_in_at}
        values |= {"renewed_at": row.renewed_at, "expires_at": row.expires_at}
        try:
            self._kept(connection, row)
        except SignInNeeded as error:
            return values | {"state": "deactivated", "reason": str(error)}
        return values | {"state": "signed in" if by_person else "automatic"}

    def forget(self, connection: SignInConnection) -> bool:
        """Remove what is kept, and tell the provider, where it wants to know. Return whether there was anything."""
        row = self._rows.find(connection.name)
        if row is None:
            return False
        gone = self._rows.forget(connection.name)
        try:
            tokens = self.opened(connection, row.sealed) if row.sealed is not None else None
            if tokens is not None and tokens.refresh:
                self._client_of(connection).revoke(tokens.refresh)
        except (Unsealable, ProviderAway, Denied) as error:
            log.warning("oauth.not_revoked", connection=connection.name, reason=str(error))
        return gone


def _whose(connection: SignInConnection) -> dict[str, str]:
    """What must be the same for kept tokens to be used: another application's or account's are of no use."""
    return {
        "provider": connection.provider.name,
        "application": connection.provider.client_id,
        "account": connection.account,
    }


@dataclass(frozen=True, slots=True)
class TokenSource:
    """One connection's tokens, for whoever logs in with them."""

    token_manager: TokenManager
    connection: SignInConnection

    def __call__(self) -> str:
        """An access token that is good now; raises what `TokenManager.token` raises."""
        return self.token_manager.token(self.connection)

    def refused(self, token: str) -> None:
        """The mail server does not take it."""
        self.token_manager.refused(self.connection, token)

"""OAuth sign-ins: encrypted tokens, the lease for renewing them, and pending sign-ins.

This module cannot decrypt them. Every change is conditional, since several processes share a token.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_missing, upsert
from redmine_mailbridge.store.due import pause_is_over
from redmine_mailbridge.store.tables import oauth_flow, oauth_token
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One connection's encrypted tokens. `refused` is the provider's last rejection, None if all is well.

    `version` counts the updates; times in epoch seconds.
    """

    connection: str
    sealed: bytes | None
    refused: str | None
    signed_in_as: str
    signed_in_at: float | None
    renewed_at: float | None
    renew_at: float
    expires_at: float
    version: int
    lease_until: float


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A pending sign-in for a connection; the data to complete it is encrypted."""

    connection: str
    sealed: bytes
    ends_at: float


class TokenRows:
    """Safe for concurrent threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self.clock = clock

    def find(self, connection: str) -> TokenRow | None:
        """The tokens of a connection; None if there are none."""
        with self._database.read() as db:
            row = db.execute(sa.select(oauth_token).where(oauth_token.c.connection == connection)).first()
        return TokenRow(**row._mapping) if row is not None else None

    def lease(self, connection: str, version: int, seconds: float) -> bool:
        """Acquire the lease to store the next tokens, for this long. Return whether it was free and the version
        matches.

        Version 0 is a connection without tokens: its row is created.
        """
        now = self.clock()
        with self._database.write() as db:
            if version == 0:
                first = {"connection": connection, "signed_in_as": "", "renew_at": 0.0, "expires_at": 0.0}
                first |= {"version": 0, "lease_until": 0.0}
                insert_missing(db, oauth_token, first)
            where = self._of(connection, version)
            taken = sa.update(oauth_token).where(*where, pause_is_over(oauth_token.c.lease_until, now, seconds))
            return db.execute(taken.values(lease_until=now + seconds)).rowcount == 1

    def give_back(self, connection: str, version: int, *, renew_at: float | None = None) -> None:
        """Release the lease without new tokens; the next try is not before `renew_at`, if given."""
        values = {"lease_until": 0.0} | ({"renew_at": renew_at} if renew_at is not None else {})
        self._set(connection, version, values)

    def renewed(self, connection: str, version: int, sealed: bytes, *, renew_at: float, expires_at: float) -> bool:
        """Store new tokens. Return False, with nothing changed, if another process stored others meanwhile."""
        values = {"sealed": sealed, "renew_at": renew_at, "expires_at": expires_at, "renewed_at": self.clock()}
        return self._set(connection, version, values | {"version": version + 1, "lease_until": 0.0, "refused": None})

    def refuse(self, connection: str, version: int, reason: str) -> bool:
        """The provider no longer renews. Return False, with nothing changed, if there are other tokens by now."""
        return self._set(connection, version, {"refused": reason, "lease_until": 0.0})

    def stale(self, connection: str, version: int) -> bool:
        """The mail server rejects the token, although it has not expired: have it renewed."""
        return self._set(connection, version, {"renew_at": 0.0})

    def signed_in(
        self, connection: str, sealed: bytes, *, signed_in_as: str, renew_at: float, expires_at: float
    ) -> None:
        """A person signed in: existing tokens are replaced."""
        now = self.clock()
        values = {"sealed": sealed, "signed_in_as": signed_in_as, "renew_at": renew_at, "expires_at": expires_at}
        values |= {"refused": None, "signed_in_at": now, "renewed_at": now, "lease_until": 0.0}
        with self._database.write() as db:
            first = {"connection": connection, "version": 1} | values
            upsert(db, oauth_token, first, version=oauth_token.c.version + 1)

    def forget(self, connection: str) -> bool:
        """Delete the tokens of a connection. Return whether there were any."""
        with self._database.write() as db:
            db.execute(sa.delete(oauth_flow).where(oauth_flow.c.connection == connection))
            return db.execute(sa.delete(oauth_token).where(oauth_token.c.connection == connection)).rowcount == 1

    # ------------------------------------------------------------------ pending sign-ins

    def begin(self, key: str, connection: str, sealed: bytes, *, ends_at: float) -> None:
        """A sign-in starts; expired ones are deleted."""
        values = {"key": _hashed(key), "connection": connection, "sealed": sealed, "ends_at": ends_at}
        with self._database.write() as db:
            db.execute(sa.delete(oauth_flow).where(oauth_flow.c.ends_at < self.clock()))
            db.execute(sa.insert(oauth_flow).values(values))

    def under_way(self, key: str) -> FlowRow | None:
        """Given the state parameter from the provider, return the pending sign-in; None if there is none."""
        query = sa.select(oauth_flow.c.connection, oauth_flow.c.sealed, oauth_flow.c.ends_at)
        with self._database.read() as db:
            row = db.execute(query.where(oauth_flow.c.key == _hashed(key))).first()
        return FlowRow(*row) if row is not None and row.ends_at >= self.clock() else None

    def end(self, key: str) -> bool:
        """Complete a sign-in. Return whether it existed: only the caller that gets True continues."""
        with self._database.write() as db:
            return db.execute(sa.delete(oauth_flow).where(oauth_flow.c.key == _hashed(key))).rowcount == 1

    def _set(self, connection: str, version: int, values: dict[str, Any]) -> bool:
        with self._database.write() as db:
            changed = sa.update(oauth_token).where(*self._of(connection, version)).values(values)
            return db.execute(changed).rowcount == 1

    @staticmethod
    def _of(connection: str, version: int) -> tuple[sa.ColumnElement[bool], ...]:
        return (oauth_token.c.connection == connection, oauth_token.c.version == version)


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()

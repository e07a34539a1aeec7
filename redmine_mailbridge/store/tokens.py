"""Where OAuth sign-ins are kept: sealed tokens, who may renew them just now, and sign-ins that are under way.

Nothing in here can read what is sealed. Every change is a conditional one, since several processes share a token.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_missing, upsert
from redmine_mailbridge.store.due import pause_is_over
from redmine_mailbridge.store.tables import oauth_flow, oauth_token


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One connection's tokens, sealed. `refused` is the provider's last no, None when all is well.

    `version` counts what was put in; times in epoch seconds.
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
    """A sign-in that has begun for a connection; what it needs to end is sealed."""

    connection: str
    sealed: bytes
    ends_at: float


class TokenRows:
    """Safe for many threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self.clock = clock

    def find(self, connection: str) -> TokenRow | None:
        """What is kept for a connection; None when nothing is."""
        with self._database.read() as db:
            row = db.execute(sa.select(oauth_token).where(oauth_token.c.connection == connection)).first()
        return TokenRow(**row._mapping) if row is not None else None

    def lease(self, connection: str, version: int, seconds: float) -> bool:
        """Take the right to put in the next tokens, for so long. Return whether it was free and the version is this.

        Version 0 is a connection that nothing is kept for: its row is made.
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
        """End the right without new tokens; the next try is not before `renew_at`, if that is given."""
        values = {"lease_until": 0.0} | ({"renew_at": renew_at} if renew_at is not None else {})
        self._set(connection, version, values)

    def renewed(self, connection: str, version: int, sealed: bytes, *, renew_at: float, expires_at: float) -> bool:
        """Put in new tokens. Return False, with nothing changed, when somebody put in others meanwhile."""
        values = {"sealed": sealed, "renew_at": renew_at, "expires_at": expires_at, "renewed_at": self.clock()}
        return self._set(connection, version, values | {"version": version + 1, "lease_until": 0.0, "refused": None})

    def refuse(self, connection: str, version: int, reason: str) -> bool:
        """The provider renews no more. Return False, with nothing changed, when there are other tokens by now."""
        return self._set(connection, version, {"refused": reason, "lease_until": 0.0})

    def stale(self, connection: str, version: int) -> bool:
        """The mail server does not take the token, although its time is not over: have it renewed."""
        return self._set(connection, version, {"renew_at": 0.0})

    def signed_in(
        self, connection: str, sealed: bytes, *, signed_in_as: str, renew_at: float, expires_at: float
    ) -> None:
        """Somebody signed in: whatever was kept is replaced."""
        now = self.clock()
        values = {"sealed": sealed, "signed_in_as": signed_in_as, "renew_at": renew_at, "expires_at": expires_at}
        values |= {"refused": None, "signed_in_at": now, "renewed_at": now, "lease_until": 0.0}
        with self._database.write() as db:
            first = {"connection": connection, "version": 1} | values
            upsert(db, oauth_token, first, version=oauth_token.c.version + 1)

    def forget(self, connection: str) -> bool:
        """Remove what is kept for a connection. Return whether there was anything."""
        with self._database.write() as db:
            db.execute(sa.delete(oauth_flow).where(oauth_flow.c.connection == connection))
            return db.execute(sa.delete(oauth_token).where(oauth_token.c.connection == connection)).rowcount == 1

    # ------------------------------------------------------------------ sign-ins under way

    def begin(self, key: str, connection: str, sealed: bytes, *, ends_at: float) -> None:
        """A sign-in begins; those whose time is over are forgotten."""
        values = {"key": _hashed(key), "connection": connection, "sealed": sealed, "ends_at": ends_at}
        with self._database.write() as db:
            db.execute(sa.delete(oauth_flow).where(oauth_flow.c.ends_at < self.clock()))
            db.execute(sa.insert(oauth_flow).values(values))

    def under_way(self, key: str) -> FlowRow | None:
        """Given what the provider brought back, return the sign-in it belongs to; None when there is none."""
        query = sa.select(oauth_flow.c.connection, oauth_flow.c.sealed, oauth_flow.c.ends_at)
        with self._database.read() as db:
            row = db.execute(query.where(oauth_flow.c.key == _hashed(key))).first()
        return FlowRow(*row) if row is not None and row.ends_at >= self.clock() else None

    def end(self, key: str) -> bool:
        """A sign-in ends. Return whether it was there: whoever is told True goes on with it, and nobody else."""
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

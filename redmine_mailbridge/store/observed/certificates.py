"""Until when the certificates of the servers are valid, as the last connection to each saw it."""

import time
from collections.abc import Callable, Collection, Mapping

import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.tables import certificate

EVERY = 3600.0
"""Seconds between two records of the same certificate."""


class Certificates:
    """Stores the ends of certificates. `clock` is the time of the records; `steady` counts seconds, and cannot be
    set.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float], steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._clock = clock
        self._steady = steady
        self._recorded: dict[str, tuple[float, float]] = {}

    def note(self, ends: Mapping[str, float]) -> None:
        """Given the ends of certificates by server (host:port, epoch seconds), record them; the same once an hour."""
        now, counted = self._clock(), self._steady()
        due = {server: until for server, until in ends.items() if self._is_due(server, until, counted)}
        if not due:
            return
        with self._database.write() as db:
            upsert(db, certificate, [{"server": name, "until": until, "seen_at": now} for name, until in due.items()])
        self._recorded |= {server: (counted, until) for server, until in due.items()}

    def _is_due(self, server: str, until: float, counted: float) -> bool:
        recorded_at, recorded = self._recorded.get(server, (0.0, None))
        return recorded != until or counted - recorded_at >= EVERY

    def all(self) -> dict[str, float]:
        """When the certificate of each server ends, in epoch seconds."""
        with self._database.read() as db:
            return {row.server: row.until for row in db.execute(sa.select(certificate))}

    def forget(self, known: Collection[str]) -> None:
        """Given all servers of the settings, delete the others."""
        with self._database.write() as db:
            db.execute(sa.delete(certificate).where(certificate.c.server.not_in(known)))

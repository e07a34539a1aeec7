"""The alerts that were sent, so that each condition is reported once, and its end once."""

from collections.abc import Callable

import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_if_missing
from redmine_mailbridge.store.tables import alert


class SentAlerts:
    """The conditions of which an alert was sent, by key and subject."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> dict[tuple[str, str], float]:
        """When the alert of each was sent, in epoch seconds."""
        with self._database.read() as db:
            return {(row.key, row.subject): row.at for row in db.execute(sa.select(alert))}

    def begin(self, key: str, subject: str) -> bool:
        """Claim the alert about a condition. Return False if another did so before."""
        with self._database.write() as db:
            return insert_if_missing(db, alert, {"key": key, "subject": subject, "at": self._clock()})

    def end(self, key: str, subject: str) -> bool:
        """Claim the all-clear. Return False if another did so before."""
        change = sa.delete(alert).where(alert.c.key == key, alert.c.subject == subject)
        with self._database.write() as db:
            return db.execute(change).rowcount == 1

"""The health of everything that runs, as last recorded by the service: for the conditions and metrics."""

import threading
import time
from collections.abc import Callable

import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.tables import health
from redmine_mailbridge.util.dataclass import dataclass

SERVICE, REDMINE, SENDING = "service", "redmine", "sending"
SILENT = 60.0
"""Seconds after which a component without a new record counts as not running."""
EVERY = 20.0
"""Seconds between two identical records."""


def of_mailbox(name: str) -> str:
    """The name for the reading of a mailbox."""
    return f"mailbox:{name}"


@dataclass(frozen=True, slots=True)
class HealthRecord:
    """The health of one component: `error` is None if healthy, `failing_since` when it began; `doing` is one phrase.
    `refused`: the error is that the login or the key is not accepted, which waiting does not mend.
    """

    name: str
    at: float
    ok_at: float | None
    failing_since: float | None
    error: str | None
    doing: str
    refused: bool = False


def alive(service: HealthRecord | None, now: float) -> bool:
    """Given the service's last record and the current time: is it running?"""
    return service is not None and service.doing == "running" and abs(now - service.at) < SILENT


class Health:
    """Records and reports health. `clock` is the time of the records; `steady` counts seconds, and cannot be
    set.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float], steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._clock = clock
        self._steady = steady
        self._noted: dict[str, tuple[float, str | None, str, bool]] = {}
        self._lock = threading.Lock()

    def note(
        self, name: str, error: str | None, doing: str = "", *, refused: bool = False, ok_at: float | None = None
    ) -> None:
        """Given a component and its health, record it; an unchanged one only periodically. `ok_at`: when it last
        worked, if that is not now.
        """
        now, counted = self._clock(), self._steady()
        with self._lock:
            before = self._noted.get(name)
            if before is not None and before[1:] == (error, doing, refused) and counted - before[0] < EVERY:
                return
            self._noted[name] = (counted, error, doing, refused)
        values = {"name": name, "at": now, "doing": doing, "error": error, "refused": refused}
        with self._database.write() as db:
            if error is None:
                upsert(db, health, values | {"ok_at": now if ok_at is None else ok_at, "failing_since": None})
            else:
                began = health.c.failing_since
                since = sa.case((began <= now, began), else_=now)  # a clock that was set back
                upsert(db, health, values | {"failing_since": now}, failing_since=since)

    def busy(self, name: str, doing: str) -> None:
        """Given a component that has started and has no result yet, record what it does: a failure remains one."""
        with self._database.write() as db:
            upsert(db, health, {"name": name, "at": self._clock(), "doing": doing})

    def all(self) -> dict[str, HealthRecord]:
        """The health of all components, by name."""
        with self._database.read() as db:
            return {row.name: HealthRecord(**row._mapping) for row in db.execute(sa.select(health))}

    def forget(self, known: set[str]) -> None:
        """Given all current names, delete the others: mailboxes that no longer exist."""
        with self._database.write() as db:
            db.execute(sa.delete(health).where(health.c.name.not_in(known)))

"""How everything that runs is doing, as the running service has last noted it: for the pages, metrics and alerts."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.tables import health

SERVICE, REDMINE = "service", "redmine"
SILENT = 60.0
"""Seconds after which what has not been noted again counts as not running."""
EVERY = 20.0
"""Seconds between two notes of the same."""


def of_mailbox(name: str) -> str:
    """The name under which a mailbox's reading is noted."""
    return f"mailbox:{name}"


def of_settings(name: str) -> str:
    """The name under which is noted whether a mailbox's settings fit Redmine."""
    return f"settings:{name}"


@dataclass(frozen=True, slots=True)
class Condition:
    """How one thing is: `error` is None when well, `failing_since` when that began; `doing` is one phrase."""

    name: str
    at: float
    ok_at: float | None
    failing_since: float | None
    error: str | None
    doing: str
    certificate_until: float | None = None
    alerted_at: float | None = None


def alive(service: Condition | None, now: float) -> bool:
    """Given what the service has noted of itself, and now: does it run?"""
    return service is not None and service.doing == "running" and abs(now - service.at) < SILENT


class Health:
    """Notes how things are, and tells it. `clock` is the time of what is noted; `steady` counts seconds, and cannot be
    set.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float], steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._clock = clock
        self._steady = steady
        self._noted: dict[str, tuple[float, str | None, str]] = {}
        self._lock = threading.Lock()

    def note(self, name: str, error: str | None, doing: str = "", *, certificate_until: float | None = None) -> None:
        """Given a thing and how it is, note it; the same again only now and then."""
        now, counted = self._clock(), self._steady()
        with self._lock:
            before = self._noted.get(name)
            if before is not None and before[1:] == (error, doing) and counted - before[0] < EVERY:
                return
            self._noted[name] = (counted, error, doing)
        values = {"name": name, "at": now, "doing": doing, "certificate_until": certificate_until, "error": error}
        with self._database.write() as db:
            if error is None:
                upsert(db, health, values | {"ok_at": now, "failing_since": None})
            else:
                since = sa.func.coalesce(health.c.failing_since, now)
                upsert(db, health, values | {"failing_since": now}, failing_since=since)

    def busy(self, name: str, doing: str) -> None:
        """Given a thing that has begun and not come to a verdict yet, note what it does: a failure stays one."""
        with self._database.write() as db:
            upsert(db, health, {"name": name, "at": self._clock(), "doing": doing})

    def all(self) -> dict[str, Condition]:
        """How everything is, by name."""
        with self._database.read() as db:
            return {row.name: Condition(**row._mapping) for row in db.execute(sa.select(health))}

    def alerted(self, name: str, *, over: bool = False) -> bool:
        """Somebody is told that a thing fails (or, `over`, works again). Return False when another told it before."""
        told = health.c.alerted_at.is_not(None) if over else health.c.alerted_at.is_(None)
        change = sa.update(health).where(health.c.name == name, told)
        with self._database.write() as db:
            return db.execute(change.values(alerted_at=None if over else self._clock())).rowcount == 1

    def forget(self, known: set[str]) -> None:
        """Given all names there are, forget the others: mailboxes that are no more."""
        with self._database.write() as db:
            db.execute(sa.delete(health).where(health.c.name.not_in(known)))

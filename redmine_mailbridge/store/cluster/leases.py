"""Which process may do what, where several share one PostgreSQL.

Each process has a row, whose end lies some seconds ahead by the database's clock and which it renews. A lease is the
right to one kind of work: a row with its holder and a number that grows with each new holder. It is as long as its
holder's row, so that one statement renews all leases of a process. Whoever finds a row that has ended deletes it: what
its process held is free then, and that process, if it continues, finds neither its row nor its leases.

Two checks keep an old holder from acting. Each of its transactions that write names the number, and locks the row of
the lease until its end (`fence`), for which a new holder waits. Before a request leaves for another server, the holder
asks a clock of its own that cannot be set and counts every pause (`remaining`): it began to count before it asked the
database to renew, and so never ends later than the row.
"""

import os
import platform
import random
import secrets
import threading
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa
import structlog

from redmine_mailbridge import __version__
from redmine_mailbridge.store.database import Database, translated
from redmine_mailbridge.store.dialects import insert_missing, limit_statements, postgresql_engine, seconds_now
from redmine_mailbridge.store.tables import lease, process
from redmine_mailbridge.util.boot_clock import boottime, has_ended, machine_id, started
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

RENEWALS: Final = 5
"""How often a row is renewed while it lasts."""
CLOCKS_DIFFER: Final = 0.02
"""How much faster than a machine's clock the database's may run: so much of a lease is not used."""
ASK_AGAIN: Final = 0.1
"""Seconds until the first renewal after one that failed; they double up to the usual pause."""
UNANSWERED: Final = 3
"""Seconds after which a statement about leases, or its connection, counts as failed."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do what `name` says. `number` is its holder's alone; `taken_at` is by the holder's own clock."""

    name: str
    number: int
    taken_at: float


class Membership:
    """This process, among those that share a store. Thread-safe.

    `clock` counts seconds, also while the process or the machine is stopped. `on_lost` is called once, with the reason,
    when all leases are lost. Every method raises StoreBusy or StoreError if the database fails.
    """

    def __init__(self, database: Database, *, clock: Callable[[], float] = boottime) -> None:
        self._database = database
        self._seconds = database.lease_seconds
        self._clock = clock
        self._engine = engine_of(database)
        self.id = secrets.token_hex(8)
        self._until = float("-inf")
        self._why: str | None = None
        self._names: set[str] = set()
        self._noted = threading.Lock()
        self._stop = threading.Event()
        self.on_lost: Callable[[str], None] = lambda _why: None
        self._thread = threading.Thread(target=self._renew_always, name="leases", daemon=True)

    # ------------------------------------------------------------------ this process

    def join(self) -> None:
        """Register this process. From now on its row must be renewed in time: `start`, or `renew`."""
        began = self._clock()
        now = seconds_now()
        row = {
            "id": self.id, "machine": platform.node(), "boot": machine_id(), "pid": os.getpid(), "started": started(),
            "version": __version__, "since": now, "seen_at": now, "ends_at": now + self._seconds,
        }  # fmt: skip
        with translated(), self._engine.connect() as db:
            db.execute(sa.insert(process).values(row))
        self._until = began + self._seconds * (1 - CLOCKS_DIFFER)

    def start(self) -> None:
        """Renew the row in a thread from now on, with growing pauses while the database fails, until `leave`."""
        self._thread.start()

    def leave(self) -> None:
        """Release all leases: the process ends, or works no more."""
        self._lose("they were released", reported=False)
        self._stop.set()
        try:
            with translated(), self._engine.connect() as db:
                db.execute(sa.delete(process).where(process.c.id == self.id))
        finally:
            self._engine.dispose()

    @property
    def remaining(self) -> float:
        """For how many seconds the leases of this process certainly last; 0 if they are lost."""
        return max(self._until - self._clock(), 0.0) if self._why is None else 0.0

    @property
    def lost(self) -> str | None:
        """Why all leases are lost; None while they last."""
        if self._why is None and self._until <= self._clock():
            self._lose("the database has not answered in time to renew it, or this process was stopped")
        return self._why

    def renew(self) -> bool:
        """Have the leases last longer, all of them. Return whether they still lasted, and all are there."""
        began = self._clock()
        now = seconds_now()
        held = sa.select(sa.func.count()).where(lease.c.holder == self.id).scalar_subquery()
        mine = sa.update(process).where(process.c.id == self.id, process.c.ends_at > now, held >= len(self._names))
        with translated(), self._engine.connect() as db:
            lasts = db.execute(mine.values(seen_at=now, ends_at=now + self._seconds)).rowcount == 1
        if lasts and self.lost is None:
            self._until = began + self._seconds * (1 - CLOCKS_DIFFER)
        elif not lasts:
            self._lose("another process has taken it, or may have")
        return lasts

    def _renew_always(self) -> None:
        usual = self._seconds / RENEWALS
        failures, pause = 0, usual
        while not self._stop.wait(pause) and self.lost is None:
            try:
                self.renew()
                failures, pause = 0, usual
            except Exception as error:  # noqa: BLE001 - the boundary of the thread: it tries again until the leases end
                failures += 1
                pause = min(ASK_AGAIN * 2.0 ** (failures - 1), usual) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
                if failures == 1:
                    log.warning("leases.not_renewed", reason=str(error), remaining=round(self.remaining, 1))

    def _lose(self, why: str, *, reported: bool = True) -> None:
        with self._noted:
            first, self._why = self._why is None, self._why or why
        if first and reported:
            self.on_lost(self._why)

    # ------------------------------------------------------------------ leases

    def take(self, name: str) -> Lease | None:
        """Take the lease of this name if it is free. Return it; None if another process holds it.

        Raise StoreBusy as well while the last holder's transaction has not ended.
        """
        with translated(), self._engine.connect() as db:
            bury(db, but=self.id)
            insert_missing(db, lease, {"name": name, "number": 0})
            number = db.execute(_free(name)).scalar()
            if number is None:
                return None
            # a number is seen by all but taken by one; a holder without a row never comes back
            mine = sa.update(lease).where(lease.c.name == name, lease.c.number == number, _lives(self.id))
            taken = db.execute(mine.values(holder=self.id, number=number + 1, since=seconds_now())).rowcount == 1
        if not taken or self.lost is not None:
            return None
        self._names.add(name)
        return Lease(name, number + 1, self._clock())  # what the last holder recorded, it recorded before

    def release(self, held: Lease) -> None:
        """Give one lease back; waits for transactions of this process that it fences."""
        self._names.discard(held.name)
        mine = sa.update(lease).where(lease.c.name == held.name, lease.c.number == held.number)
        with translated(), self._engine.connect() as db:
            db.execute(mine.where(lease.c.holder == self.id).values(holder=None))

    def fence(self, db: sa.Connection, held: Lease) -> bool:
        """Within a transaction that is about to write: is this lease held, and until the transaction's end? The
        database ends the transaction of a process that stops in the middle of it.
        """
        idle = sa.func.set_config("idle_in_transaction_session_timeout", f"{int(self._seconds * 500)}", True)
        mine = sa.select(idle).where(lease.c.name == held.name, lease.c.number == held.number)
        mine = mine.where(lease.c.holder == self.id, _lives(self.id)).with_for_update(read=True, of=lease)
        return self.lost is None and db.execute(mine).first() is not None


def bury(db: sa.Connection, *, but: str = "") -> None:
    """Delete the rows of processes that have ended: by the database's clock, or visibly, on this machine. Not the row
    of the process `but`. A row from the future was left behind when the database's clock was put back: a process that
    lives has renewed it since.
    """
    here = machine_id()
    ours = db.execute(sa.select(process).where(process.c.boot == here)).all() if here else []
    gone = [row.id for row in ours if row.started and has_ended(row.pid, row.started)]
    now, lasts = seconds_now(), process.c.ends_at - process.c.seen_at
    ended = sa.or_(process.c.ends_at <= now, process.c.seen_at > now + lasts, process.c.id.in_(gone))
    db.execute(sa.delete(process).where(ended, process.c.id != but))


def is_taken(db: sa.Connection, name: str) -> bool:
    """Given a lease's name, does a process hold it?"""
    holder = sa.select(process.c.id).join(lease, lease.c.holder == process.c.id)
    held = holder.where(lease.c.name == name, process.c.ends_at > seconds_now())
    return db.execute(held).first() is not None


def _free(name: str) -> sa.Select[Any]:
    """The number of this lease, if no process holds it that has a row."""
    living = sa.exists().where(process.c.id == lease.c.holder)
    return sa.select(lease.c.number).where(lease.c.name == name, sa.not_(living))


def _lives(member: str) -> sa.ColumnElement[bool]:
    """Has this process a row that has not ended?"""
    return sa.exists().where(process.c.id == member, process.c.ends_at > seconds_now())


def engine_of(database: Database) -> sa.Engine:
    """Given a database, return the engine for all statements about leases, apart from the others."""
    if database.lease_engine is None:
        database.lease_engine = _impatient(database.url)
    return database.lease_engine


def _impatient(url: sa.URL) -> sa.Engine:
    """Given PostgreSQL's URL, return an engine each of whose statements takes effect at once, or fails after some
    seconds, whatever hangs.
    """
    within = {"connect_timeout": UNANSWERED, "tcp_user_timeout": UNANSWERED * 1000}
    engine = postgresql_engine(
        url, within=within, isolation_level="AUTOCOMMIT", pool_size=2, max_overflow=2, pool_timeout=UNANSWERED
    )
    limit_statements(engine, f"SET statement_timeout = '{UNANSWERED}s'; SET lock_timeout = '1s'")
    return engine

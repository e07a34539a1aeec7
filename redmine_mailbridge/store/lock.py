"""The exclusive right to work on a store, and how its loss is detected.

On SQLite it is a lock on a file beside the database, on PostgreSQL an advisory lock of a dedicated connection: both
end with the process or the machine, so that no one waits for a dead holder. Both can end earlier: the
file is removed, PostgreSQL is restarted, the connection is cut. The lock's holder therefore guards its database with
it: each write transaction first checks that the lock is still held. On PostgreSQL the holder's mark, a row that
each new holder rewrites, is locked by these transactions: none of an old holder can end after a new one has begun.
"""

import fcntl
import os
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from redmine_mailbridge.errors import AlreadyRunning, LockLost, StoreBusy
from redmine_mailbridge.store.database import Database, translated
from redmine_mailbridge.store.dialects import file_of, lock_key, postgresql_engine
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.tables import meta

GRACE: Final = 0.5
"""Minimum seconds for which a lock is tried: another process may only be checking whether it is held."""
LOST: Final = "the service's lock on the store is lost: another process may be working on it"
RELEASED: Final = f"{LOST} (it was released)"


class _Held(Protocol):
    """A lock that is held, for one kind of database."""

    def check(self) -> str | None:
        """Check that it is still held. Return why not; None if it is."""

    def fence(self, connection: sa.Connection) -> bool:
        """Within a transaction that is about to write: is it held, and until the transaction's end?"""

    def end(self) -> None:
        """Release it. No effect if it is already lost."""


class Lock:
    """The exclusive right to do something, held until `release`, the end of the process, or its loss.

    `on_lost` is called once, with the reason, when the loss is detected. Thread-safe.
    """

    def __init__(self, held: _Held) -> None:
        self._held = held
        self._noted = threading.Lock()
        self._lost: str | None = None
        self.on_lost: Callable[[str], None] = lambda _why: None

    def guard(self, database: Database) -> None:
        """From now on this process writes to this database only while it holds the lock."""
        database.fence = self._fence

    def check(self) -> None:
        """Check that it is held. Raise LockLost if not."""
        if self._lost is None and (why := self._held.check()) is not None:
            self._is_lost(why)
        if self._lost is not None:
            raise LockLost(self._lost)

    def release(self) -> None:
        """Release it; from now on it counts as not held, but not as lost."""
        with self._noted:
            self._lost = self._lost or RELEASED
        self._held.end()

    def _fence(self, connection: sa.Connection) -> None:
        if self._lost is None and not self._held.fence(connection):
            self._is_lost("it no longer exists, or another process has taken it")
        if self._lost is not None:
            raise LockLost(self._lost)

    def _is_lost(self, why: str) -> None:
        with self._noted:
            first, self._lost = self._lost is None, self._lost or f"{LOST} ({why})"
        if first:
            self.on_lost(why)


def take_lock(database: Database, name: str, *, wait: float) -> Lock:
    """Given a name, acquire its lock, waiting at most this many seconds.

    Raise AlreadyRunning if it is held, StoreBusy if the store is unavailable.
    """
    began = time.monotonic()
    deadline = began + max(wait, GRACE)
    while True:
        over = time.monotonic() >= deadline
        try:
            held = _FileLock.take(database, name) if database.is_sqlite else _AdvisoryLock.take(database, name)
        except StoreBusy:
            if over:
                raise
        else:
            if held is not None:
                return Lock(held)
            if over:
                where = database.url.render_as_string(hide_password=True)
                raise AlreadyRunning(
                    f"another redmine-mailbridge process is using {where} (lock: {name}); end that process "
                    "(systemctl stop redmine-mailbridge; `stop` only pauses it) or wait for it with --wait SECONDS"
                )
        pause = 0.1 if time.monotonic() < began + GRACE else 0.5
        time.sleep(min(pause, max(deadline - time.monotonic(), 0.01)))


def is_held(database: Database, name: str) -> bool:
    """Is the lock of this name held? Checking does not disturb processes that want it."""
    if not database.is_sqlite:
        with database.read() as connection:
            return connection.execute(sa.select(sa.exists(_advisory(name).subquery().select()))).scalar_one() is True
    path = _file(database, name)
    if path is None or not path.exists():
        return False
    with path.open("rb") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


# ------------------------------------------------------------------ SQLite


def _file(database: Database, name: str) -> Path | None:
    file = file_of(database.url)
    if file is None:
        return None
    real = file.resolve()  # resolves links, which all lead to one store
    return real.with_name(f"{real.name}.{name.replace('/', '_')}.lock")


class _FileLock:
    """A lock on a file. It is invalid once another file is in its place, which another process may lock."""

    def __init__(self, path: Path | None, handle: int | None) -> None:
        self._path = path
        self._handle = handle

    @classmethod
    def take(cls, database: Database, name: str) -> "_FileLock | None":
        path = _file(database, name)
        if path is None:
            return cls(None, None)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        held = cls(path, handle)
        if held.check() is None:
            return held
        held.end()  # the file was removed between opening and locking
        return None

    def check(self) -> str | None:
        if self._path is None or self._handle is None:
            return None
        try:
            there = self._path.stat()
        except OSError as error:
            return f"{self._path}: {error.strerror or error}"
        ours = os.fstat(self._handle)
        same = (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
        return None if same else f"{self._path} was removed and replaced by another file"

    def fence(self, connection: sa.Connection) -> bool:
        del connection
        return self.check() is None

    def end(self) -> None:
        if self._handle is not None:
            handle, self._handle = self._handle, None
            os.close(handle)


# ------------------------------------------------------------------ PostgreSQL


def _advisory(name: str) -> sa.Select[tuple[int]]:
    """The rows of pg_locks (PostgreSQL's documentation, section 54.12) that show who holds the lock of this name."""
    key = lock_key(name)
    locks = sa.table(
        "pg_locks", *map(sa.column, ("locktype", "classid", "objid", "objsubid", "pid", "granted", "database"))
    )
    here = sa.text("database = (SELECT oid FROM pg_database WHERE datname = current_database())")
    return sa.select(locks.c.pid).where(
        locks.c.locktype == "advisory",
        sa.cast(locks.c.classid, sa.BigInteger) == key >> 32,
        sa.cast(locks.c.objid, sa.BigInteger) == key & 0xFFFFFFFF,
        locks.c.objsubid == 1,
        locks.c.granted,
        here,
    )


class _AdvisoryLock:
    """An advisory lock of a dedicated connection, and the holder's mark in the table `meta`."""

    def __init__(self, engine: sa.Engine, connection: sa.Connection, name: str) -> None:
        self._engine = engine
        self._connection = connection
        self._speaking = threading.Lock()
        self._ended = False
        self._pid = int(connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one())
        self._mark = secrets.token_hex(16)
        self._key = f"holder:{name}"
        mine = _advisory(name).where(sa.column("pid") == self._pid)
        self._stands = sa.select(sa.exists(mine.subquery().select()))
        marked = sa.select(meta.c.key).where(meta.c.key == self._key, meta.c.value == self._mark)
        self._fence = marked.where(sa.exists(mine.subquery().select())).with_for_update(read=True, of=meta)
        self._sign()

    @classmethod
    def take(cls, database: Database, name: str) -> "_AdvisoryLock | None":
        engine = postgresql_engine(database.url, poolclass=sa.NullPool)
        with translated():
            connection = engine.connect()
            try:
                taken = connection.execute(
                    sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": lock_key(name)}
                ).scalar()
                if taken:
                    return cls(engine, connection, name)
            except BaseException:
                connection.invalidate()
                raise
            connection.close()
        return None

    def _sign(self) -> None:
        """Replace the last holder's mark with a new one; waits for that holder's unfinished transactions."""
        Meta(self._connection).put(self._key, self._mark)
        self._connection.commit()

    def check(self) -> str | None:
        """Check, over the lock's own connection, which this keeps alive."""
        with self._speaking:
            if self._ended:
                return "it was released"
            try:
                stands = self._connection.execute(self._stands).scalar_one()
                self._connection.commit()
            except DBAPIError as error:
                words = str(error.orig).strip().partition("\n")[0] or type(error.orig).__name__
                return f"the connection that held it is gone: {words}"
        return None if stands else "PostgreSQL no longer knows it"

    def fence(self, connection: sa.Connection) -> bool:
        return connection.execute(self._fence).first() is not None

    def end(self) -> None:
        with self._speaking:
            self._ended = True
            self._connection.invalidate()  # the lock ends with the connection, whatever its state
            self._connection.close()
            self._engine.dispose()

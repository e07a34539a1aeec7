"""The exclusive right to work on a store, and how its loss is detected.

On SQLite it is a lock on a file beside the database, which ends with the process or the machine, or when the file is
removed. On PostgreSQL it is a lease (cluster/leases.py), which ends some seconds after its holder has stopped, hangs or
cannot reach the database. The lock's holder guards its database with it: each write transaction first checks that the
lock is still held, and with a lease so does each request to another server, before its last bytes are sent.
"""

import fcntl
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import sqlalchemy as sa

from redmine_mailbridge.errors import AlreadyRunning, LockLost, StoreBusy, StoreError
from redmine_mailbridge.store.database import Database, translated
from redmine_mailbridge.store.dialects import file_of
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.store.cluster import leases
else:  # SQLite has none
    leases = lazy_import("redmine_mailbridge.store.cluster.leases")

GRACE: Final = 0.5
"""Minimum seconds for which a lock is tried: another process may only be checking whether it is held."""
LOST: Final = "the service's lock on the store is lost: another process may be working on it"
RELEASED: Final = f"{LOST} (it was released)"


_took_over_at = float("-inf")


def take_over(at: float) -> None:
    """Given a time by the clock since boot, at which this process began to work in place of another: until then, that
    one may have done what it had planned before.
    """
    global _took_over_at  # noqa: PLW0603 - a property of the process
    _took_over_at = at


def planned_by_another(at: float) -> bool:
    """Given when something was planned, by the clock since boot, may a process have planned it in whose place this one
    works? Never on SQLite, whose lock ends with its process.
    """
    return at <= _took_over_at


class _Held(Protocol):
    """A lock that is held, for one kind of database. `look_every`: seconds between two checks."""

    look_every: float

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
        self.look_every = held.look_every
        """Seconds between two checks of whoever works under it."""

    def guard(self, database: Database) -> None:
        """From now on this process writes to this database, and to other servers, only while it holds the lock."""
        database.fence = self._fence
        if isinstance(self._held, _LeaseLock):
            database.held = self.check

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
            held = _FileLock.take(database, name) if database.is_sqlite else _LeaseLock.take(database, name)
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
            return leases.is_taken(connection, name)
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

    look_every = 5.0

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


class _LeaseLock:
    """A lease in the database, with a membership of its own."""

    look_every = 1.0

    def __init__(self, member: "leases.Membership", held: "leases.Lease") -> None:
        self._member = member
        self._held = held

    @classmethod
    def take(cls, database: Database, name: str) -> "_LeaseLock | None":
        with translated(), leases.engine_of(database).connect() as connection:  # a standby is to hear signals soon
            leases.bury(connection)
            if leases.is_taken(connection, name):
                return None
        member = leases.Membership(database)
        try:
            member.join()
            member.start()
            held = member.take(name)
        except BaseException:
            with suppress(StoreError):
                member.leave()
            raise
        if held is None:
            member.leave()
            return None
        take_over(held.taken_at)
        return cls(member, held)

    def check(self) -> str | None:
        return self._member.lost

    def fence(self, connection: sa.Connection) -> bool:
        return self._member.fence(connection, self._held)

    def end(self) -> None:
        with suppress(StoreError):  # the database is away: the lease ends without us
            self._member.leave()

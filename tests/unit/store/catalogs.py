"""Advisory locks as PostgreSQL has them, without PostgreSQL: SQLite with its functions and its two catalogs of locks.

Only the driver is another one: engine, statements and transactions are the program's. `tests/real` runs the same on
PostgreSQL itself.
"""

import itertools
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.tables import meta

LOCKS = ("locktype", "classid", "objid", "objsubid", "pid", "granted", "database")
OURS = 1
"""The number of the database in the catalog."""
PIDS = itertools.count(1)
HALF = 2**32


class _Session(sqlite3.Connection):
    """A connection whose locks end with it."""

    def begin(self, file: str) -> None:
        """Give it a number, and the functions of PostgreSQL that the program uses."""
        self.pid = next(PIDS)
        self.catalog = sqlite3.connect(file, isolation_level=None)
        self.create_function("current_database", 0, lambda: "ours")
        self.create_function("pg_backend_pid", 0, lambda: self.pid)
        self.create_function("pg_try_advisory_lock", 1, self._try)

    def _try(self, key: int) -> bool:
        held = self.catalog.execute("SELECT 1 FROM pg_locks WHERE classid = ? AND objid = ?", divmod(key, HALF))
        if held.fetchone():
            return False
        row = ("advisory", *divmod(key, HALF), 1, self.pid, True, OURS)
        self.catalog.execute("INSERT INTO pg_locks VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return True

    def close(self) -> None:
        """End it, and its locks."""
        self.catalog.execute("DELETE FROM pg_locks WHERE pid = ?", (self.pid,))
        self.catalog.close()
        super().close()


class _Dialect(SQLiteDialect_pysqlite):
    supports_statement_cache = True

    def connect(self, *given: Any, **_options: Any) -> Any:
        session = sqlite3.connect(*given, factory=_Session)
        session.begin(*given)
        return session


registry.register("catalogs", __name__, "_Dialect")


def open_catalogs(folder: Path) -> Database:
    """Given an empty folder, return a database that no process has locked yet."""
    database = Database(f"catalogs:///{folder}/catalogs.db")
    with sqlite3.connect(folder / "catalogs.db") as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"CREATE TABLE pg_locks ({', '.join(LOCKS)})")
        db.execute("CREATE TABLE pg_database (oid, datname)")
        db.execute("INSERT INTO pg_database VALUES (1, 'ours'), (2, 'theirs')")
    db.close()
    meta.create(database.engine)
    return database


def change_locks(database: Database, statement: str) -> None:
    """Change the catalogs, as only the server does."""
    with database.engine.begin() as db:
        db.execute(sa.text(statement))


def list_lock(database: Database, row: Mapping[str, object]) -> None:
    """Add a lock to the catalog."""
    with database.engine.begin() as db:
        db.execute(sa.insert(sa.table("pg_locks", *map(sa.column, LOCKS))).values(row))

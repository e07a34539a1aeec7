"""Leases without PostgreSQL: SQLite with PostgreSQL's functions, and a server's clock that tests set.

Only the driver is another one: engine, statements and transactions are the program's. `tests/real` runs the same on
PostgreSQL itself.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.tables import lease, meta, process


class Server:
    """What the database does by itself: its clock, and whether it answers."""

    def __init__(self) -> None:
        self.clock: Callable[[], float] = time.time
        self.away = False

    def now(self) -> float:
        """The server's time, in seconds since the epoch."""
        return self.clock()


SERVER = Server()


class _Dialect(SQLiteDialect_pysqlite):
    supports_statement_cache = True

    def connect(self, *given: Any, **_options: Any) -> Any:
        if SERVER.away:
            raise sqlite3.OperationalError("the server is away")
        session = sqlite3.connect(*given, check_same_thread=False)
        session.execute("PRAGMA synchronous = OFF")
        session.create_function("clock_timestamp", 0, SERVER.now)
        session.create_function("date_part", 2, lambda _part, moment: moment)
        session.create_function("set_config", 3, lambda _name, value, _local: value)
        return session


registry.register("catalogs", __name__, "_Dialect")


def open_catalogs(folder: Path, *, lease_seconds: float = 10.0) -> Database:
    """Given a folder, return its database, as one process opens it."""
    database = Database(f"catalogs:///{folder}/catalogs.db", lease_seconds=lease_seconds)
    with sqlite3.connect(folder / "catalogs.db") as db:
        db.execute("PRAGMA journal_mode=WAL")
    db.close()
    for table in (meta, process, lease):
        table.create(database.engine, checkfirst=True)
    return database

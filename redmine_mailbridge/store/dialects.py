"""What SQLite and PostgreSQL do differently: connections, rows that are there already, and who waits for whom.

Everything else in the store is the same statement on both. The lock of the service stands in lock.py: a file's, or the
database's own.
"""

import contextlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from redmine_mailbridge.errors import SettingsError

Row = Mapping[str, Any]


def is_sqlite(url: sa.URL) -> bool:
    """Given a database's address, is it SQLite's?"""
    return url.get_backend_name() == "sqlite"


def file_of(url: sa.URL) -> Path | None:
    """Given a database's address, return its file; None when it has none."""
    name = url.database if is_sqlite(url) else None
    return Path(name).expanduser() if name and name != ":memory:" else None


# ---------------------------------------------------------------------- connections


def engine_for(url: sa.URL, *, busy_seconds: float) -> sa.Engine:
    """Given a database's address, and for how many seconds SQLite waits for another writer, return its engine."""
    if is_sqlite(url):
        return _sqlite_engine(url, busy_seconds)
    return postgresql_engine(url, pool_size=20, max_overflow=10, pool_pre_ping=True)


def _make_private(file: Path) -> None:
    """Given where a database is or will be, make it readable by its owner only if it is new; its log follows it."""
    with contextlib.suppress(OSError):  # what cannot be made is named when it is opened
        file.touch(mode=0o600)


def _sqlite_engine(url: sa.URL, busy_seconds: float) -> sa.Engine:
    file = file_of(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        _make_private(file)
    engine = sa.create_engine(
        url,
        connect_args={
            "timeout": float(str(url.query.get("timeout", busy_seconds))),
            "check_same_thread": False,
            "isolation_level": None,
        },
        **({"poolclass": sa.StaticPool} if file is None else {"pool_size": 20, "max_overflow": 20}),
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-256"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def postgresql_engine(url: sa.URL, **options: Any) -> sa.Engine:
    """Given PostgreSQL's address, return an engine on whose connections either side notices a minute later that the
    other machine is gone: what the dead one has locked comes free then.
    """
    ours = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    given = {name: value for name, value in ours.items() if name not in url.query}
    try:
        engine = sa.create_engine(url, connect_args=given, **options)
    except ImportError as error:
        words = "PostgreSQL needs the package psycopg: pip install 'redmine-mailbridge[postgresql]'"
        raise SettingsError(f"[store] url: {words} ({error})") from error

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        with contextlib.suppress(Exception), connection.cursor() as cursor:  # some poolers do not let them be set
            cursor.execute(_SERVERS_KEEPALIVES)
        connection.commit()

    return engine


_SERVERS_KEEPALIVES = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"


# ---------------------------------------------------------------------- rows that are there already


def insert_missing(db: sa.Connection, table: sa.Table, rows: Row | Sequence[Row]) -> None:
    """Given rows with the same columns, insert those that no unique key of the table holds already."""
    if rows:
        db.execute(_missing(db.dialect.name, table), rows)


def insert_if_missing(db: sa.Connection, table: sa.Table, row: Row) -> bool:
    """The same for one row. Return whether it was inserted."""
    # asked for by RETURNING, as PostgreSQL's driver gives no count of inserted rows
    return db.execute(_missing_returning(db.dialect.name, table), row).first() is not None


def upsert(db: sa.Connection, table: sa.Table, rows: Row | Sequence[Row], **changed: Any) -> None:
    """Given rows with the same columns, insert them; a row that the primary key holds already takes over their values.

    `changed` says what such a row takes in place of a value: an expression over its own columns.
    """
    if rows:
        names = tuple(rows if isinstance(rows, Mapping) else rows[0])
        statement = _upsert(db.dialect.name, table, names)
        if changed:
            statement = _conflict(db.dialect.name, table, names, changed)
        db.execute(statement, rows)


def _insert(dialect: str, table: sa.Table) -> Any:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


# Statements of every mail are made once: making one anew costs more than running it.
@cache
def _missing(dialect: str, table: sa.Table) -> Any:
    return _insert(dialect, table).on_conflict_do_nothing()


@cache
def _missing_returning(dialect: str, table: sa.Table) -> Any:
    return _missing(dialect, table).returning(*table.primary_key)


@cache
def _upsert(dialect: str, table: sa.Table, names: tuple[str, ...]) -> Any:
    return _conflict(dialect, table, names, {})


def _conflict(dialect: str, table: sa.Table, names: tuple[str, ...], changed: Row) -> Any:
    statement = _insert(dialect, table)
    keys = [column.name for column in table.primary_key]
    taken = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_={**taken, **changed})


# ---------------------------------------------------------------------- who waits for whom


def one_at_a_time(db: sa.Connection, name: str) -> None:
    """Within a transaction that writes: wait until no other does what has this name, and have others wait until the
    transaction ends. SQLite has one writer anyway.
    """
    if db.dialect.name != "sqlite":
        db.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(name)})


def lock_key(name: str) -> int:
    """Given a lock's name, return its number among PostgreSQL's advisory locks (64 bits, the upper half ours)."""
    return 0x6D62 << 32 | crc32(name.encode())

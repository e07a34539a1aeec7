"""The differences between SQLite and PostgreSQL: connections, upserts, and locks.

Everything else in the store is the same statement on both. The service's lock is in lock.py: a file's, or the
database's own.
"""

import contextlib
import sqlite3
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql
else:  # slow to load, and few have it
    postgresql = lazy_import("sqlalchemy.dialects.postgresql")

Row = Mapping[str, Any]


def is_sqlite(url: sa.URL) -> bool:
    """Given a database URL, is it SQLite's?"""
    return url.get_backend_name() == "sqlite"


def file_of(url: sa.URL) -> Path | None:
    """Given a database URL, return its file; None if it has none."""
    name = url.database if is_sqlite(url) else None
    return Path(name).expanduser() if name and name != ":memory:" else None


# ---------------------------------------------------------------------- connections


_WITHIN = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def engine_for(url: sa.URL, *, busy_seconds: float) -> sa.Engine:
    """Given a database URL, and for how many seconds SQLite waits for another writer, and PostgreSQL at most
    for a connection, return its engine. If that is less than usual, no statement of PostgreSQL takes longer either.
    """
    if is_sqlite(url):
        return _sqlite_engine(url, busy_seconds)
    seconds = int(max(busy_seconds, 2))
    if seconds >= _WITHIN["connect_timeout"]:
        return postgresql_engine(url, pool_size=20, max_overflow=10, pool_pre_ping=True)
    engine = postgresql_engine(url, within={"connect_timeout": seconds}, pool_pre_ping=True)
    limit_statements(engine, f"SET statement_timeout = '{seconds}s'")
    return engine


def _make_private(file: Path) -> None:
    """Given the path of a database, create it readable by its owner only if it is new; its log inherits that."""
    with contextlib.suppress(OSError):  # failures are reported when it is opened
        file.touch(mode=0o600)


CACHED_STATEMENTS = 32
"""How many prepared statements a connection to SQLite keeps, the last used ones. A message takes about seven; the
driver's own 128 take 0.74 MB per connection that has been used for everything, 32 take 0.29.
"""


def _sqlite_engine(url: sa.URL, busy_seconds: float) -> sa.Engine:
    file = file_of(url)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        _make_private(file)
    # last in, first out: each connection that has been used for everything takes memory
    pool = {"pool_size": 20, "max_overflow": 20, "pool_use_lifo": True}
    engine = sa.create_engine(
        url,
        connect_args={
            "timeout": float(str(url.query.get("timeout", busy_seconds))),
            "check_same_thread": False,
            "isolation_level": None,
            "cached_statements": CACHED_STATEMENTS,
        },
        **({"poolclass": sa.StaticPool} if file is None else pool),
    )

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-256"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        reading = connection.get_execution_options().get("reading")
        _begin_sqlite(connection.connection, "BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _begin_sqlite(connection: Any, statement: str) -> None:
    """Given SQLite's connection, begin a transaction. Raise SQLAlchemy's error in place of the driver's.

    By the driver itself: there are several of them a message, and by SQLAlchemy this took as long as a query.
    """
    try:
        connection.driver_connection.execute(statement)
    except sqlite3.Error as error:
        kind = getattr(sa.exc, type(error).__name__, sa.exc.DatabaseError)
        raise kind(statement, None, error) from error


def postgresql_engine(url: sa.URL, *, within: Row = _WITHIN, **options: Any) -> sa.Engine:
    """Given PostgreSQL's URL, return an engine whose connections detect within a minute, on either side, that the
    other machine is gone: the locks of the dead one are then released. `within` has further time limits of the driver.
    """
    keepalives = {**_WITHIN, **within}
    arguments = {name: value for name, value in keepalives.items() if name not in url.query}
    try:
        engine = sa.create_engine(url, connect_args=arguments, **options)
    except ImportError as error:
        words = "PostgreSQL needs the package psycopg; run pip install 'redmine-mailbridge[postgresql]'"
        raise SettingsError(f"[store] url: {words} ({error})") from error

    limit_statements(engine, _SERVERS_KEEPALIVES)
    return engine


def limit_statements(engine: sa.Engine, settings: str) -> None:
    """Given an engine of PostgreSQL, execute these SET statements on each new connection. Some poolers refuse them."""

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        with contextlib.suppress(Exception), connection.cursor() as cursor:
            cursor.execute(settings)
        connection.commit()


_SERVERS_KEEPALIVES = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"


def seconds_now() -> sa.Function[float]:
    """The time by PostgreSQL's clock, in seconds since the epoch, when a statement reaches it."""
    return sa.func.date_part("epoch", sa.func.clock_timestamp(), type_=sa.Double)


# ---------------------------------------------------------------------- rows that already exist


def insert_missing(db: sa.Connection, table: sa.Table, rows: Row | Sequence[Row]) -> None:
    """Given rows with the same columns, insert those that violate no unique key of the table."""
    if rows:
        db.execute(_missing(db.dialect.name, table), rows)


def insert_if_missing(db: sa.Connection, table: sa.Table, row: Row) -> bool:
    """Insert one row if it violates no unique key. Return whether it was inserted."""
    # uses RETURNING, since PostgreSQL's driver returns no count of inserted rows
    return db.execute(_missing_returning(db.dialect.name, table), row).first() is not None


def insert_new(db: sa.Connection, table: sa.Table, row: Row) -> int | None:
    """Insert one row if it violates no unique key. Return its number; None if it was not inserted."""
    return db.execute(_missing_returning(db.dialect.name, table), row).scalar()


def insert_each_if_missing(db: sa.Connection, table: sa.Table, rows: Sequence[Row]) -> set[tuple[Any, ...]]:
    """Given rows with the same columns, insert those that violate no unique key, of two alike the first, in one
    statement. Return the inserted ones, each with its values in the order of the table's columns.
    """
    return set(map(tuple, db.execute(_missing(db.dialect.name, table).returning(*table.columns), rows)))


def upsert(db: sa.Connection, table: sa.Table, rows: Row | Sequence[Row], **changed: Any) -> None:
    """Given rows with the same columns, insert them; an existing row with the same primary key gets their values.

    `changed` replaces a value for an existing row: an expression over its own columns.
    """
    if rows:
        names = tuple(rows if isinstance(rows, Mapping) else rows[0])
        statement = _upsert(db.dialect.name, table, names)
        if changed:
            statement = _conflict(db.dialect.name, table, names, changed)
        db.execute(statement, rows)


def _insert(dialect: str, table: sa.Table) -> Any:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


# Statements run per message are built once: building one costs more than running it.
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


def is_there(db: sa.Connection, rows: sa.Select[Any]) -> bool:
    """Given a query, return whether there is such a row; the search ends with the first."""
    return bool(db.execute(sa.select(rows.exists())).scalar_one())


def contains(dialect: str, column: sa.ColumnElement[Any], words: str) -> sa.ColumnElement[bool]:
    """Given a dialect's name, return the condition that a column contains these words, whatever their case.

    SQLite's LIKE ignores the case of ASCII letters itself, as its lower() does, in half the time; neither knows others,
    for which GLOB is given both cases.
    """
    if dialect != "sqlite":
        return column.icontains(words, autoescape=True)
    return column.contains(words, autoescape=True) if words.isascii() else column.op("GLOB")(_any_case(words))


def _any_case(words: str) -> str:
    """Given words, return SQLite's GLOB pattern for a text that contains them in any case."""
    return f"*{''.join(map(_either_case, words))}*"


def _either_case(sign: str) -> str:
    cases = "".join(sorted(case for case in {sign, sign.lower(), sign.upper()} if len(case) == 1))
    return f"[{cases}]" if len(cases) > 1 or sign in "*?[" else sign


# ---------------------------------------------------------------------- locks


def one_at_a_time(db: sa.Connection, name: str) -> None:
    """Within a write transaction: lock this name and wait for its present holder; the lock lasts until the
    transaction ends. SQLite has a single writer anyway.
    """
    if db.dialect.name != "sqlite":
        db.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key(name)})


def lock_key(name: str) -> int:
    """Given a lock's name, return its number among PostgreSQL's advisory locks (64 bits, the upper half fixed)."""
    return 0x6D62 << 32 | crc32(name.encode())

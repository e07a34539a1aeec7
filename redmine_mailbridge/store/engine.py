"""The database connection: SQLite by default, PostgreSQL when several machines share the work.

SQLite runs with WAL, synchronous=FULL (a committed "issue made" must survive a power cut) and BEGIN IMMEDIATE.
"""

import contextlib
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from redmine_mailbridge.errors import SettingsError, StoreBusy, StoreError, StoreFull
from redmine_mailbridge.store.schema import HEAD

BUSY_SECONDS = 30.0
SCARCE = 256 * 1024
"""Free bytes below which SQLite's log and index need not fit any more."""


class Database:
    """One engine, its write lock, and the translation of its errors."""

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        try:
            self.url = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise SettingsError(f"[store] url: {error}; an example: sqlite:///mailbridge.db") from error
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        memory = self.url.database in {None, "", ":memory:"}
        self._folder = Path(str(self.url.database)).parent if self.is_sqlite and not memory else None
        self._writing = threading.Lock()
        self.fence: Callable[[sa.Connection], None] | None = None
        """Asked in each transaction that writes, before it does: raises LockLost when another may be at work."""
        if self.is_sqlite:
            self.engine = _sqlite_engine(self.url, busy_seconds)
        else:
            self.engine = postgresql_engine(self.url, pool_size=20, max_overflow=10, pool_pre_ping=True)
        sa.event.listen(self.engine, "before_cursor_execute", _make_storable, retval=True)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction. Raise StoreBusy, StoreFull or StoreError in place of the driver's errors, LockLost when the
        lock that it stands under is lost.
        """
        with translated(self._folder), self._turn(), self.engine.begin() as connection:
            if self.fence is not None:
                self.fence(connection)
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """SQLite has one writer: waiting for a lock of ours is cheaper than its busy loop."""
        if not self.is_sqlite:
            yield
            return
        with self._writing:
            yield

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One connection for reading. Raise StoreError in place of the driver's errors."""
        with translated(self._folder), self.engine.connect().execution_options(reading=True) as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the tables to HEAD. Raise StoreError when they are of a newer version than this program.

        Tables that are there already need no write, so that a store that is locked can be opened.
        """
        with self.read() as connection:
            if _version(connection) == HEAD:
                return
        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": lock_key("migrate")})
            present = _version(connection)
            if present == HEAD:
                return
            _upgrade(connection, present)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
"""PostgreSQL takes no NUL, and neither database half a character."""


def _make_storable(_on: object, _cursor: object, statement: str, values: Any, *_more: object) -> tuple[str, Any]:
    """Given what is about to be executed, replace in all texts, which come from strangers, what no database takes."""
    return statement, _storable(values)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() and "\0" not in value else _NOT_STORABLE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {name: _storable(one) for name, one in value.items()}
    return type(value)(map(_storable, value)) if isinstance(value, list | tuple) else value


def _make_private(file: Path) -> None:
    """Given where a database is or will be, make it readable by its owner only if it is new; its log follows it."""
    with contextlib.suppress(OSError):  # what cannot be made is named when it is opened
        file.touch(mode=0o600)


def _sqlite_engine(url: sa.URL, busy_seconds: float) -> sa.Engine:
    memory = url.database in {None, "", ":memory:"}
    if not memory:
        file = Path(str(url.database)).expanduser()
        file.parent.mkdir(parents=True, exist_ok=True)
        _make_private(file)
    engine = sa.create_engine(
        url,
        connect_args={
            "timeout": float(str(url.query.get("timeout", busy_seconds))),
            "check_same_thread": False,
            "isolation_level": None,
        },
        **({"poolclass": sa.StaticPool} if memory else {"pool_size": 20, "max_overflow": 20}),
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


@contextmanager
def translated(folder: Path | None = None) -> Iterator[None]:
    """Turn the driver's errors into ours, with its words and without its parameters.

    `folder` is where SQLite's file lies: on a full disk SQLite says no more than "disk I/O error".
    """
    try:
        yield
    except NoConnectionFree as error:
        raise StoreBusy("the store cannot be reached: all connections to it are in use") from error
    except PendingRollbackError as error:
        raise StoreBusy("the store cannot be reached: the connection broke") from error
    except DBAPIError as error:
        words = str(error.orig).strip() or type(error.orig).__name__
        low = words.lower()
        if "locked" in low or "busy" in low:
            raise StoreBusy(f"the store is locked by another process: {words}") from error
        if ("disk" in low and "full" in low) or ("disk i/o" in low and _full(folder)):
            raise StoreFull(f"the store's disk is full: {words}") from error
        if isinstance(error, OperationalError | InterfaceError):
            raise StoreBusy(f"the store cannot be reached: {words}") from error
        raise StoreError(f"the store refused: {words}") from error


def _full(folder: Path | None) -> bool:
    return folder is not None and shutil.disk_usage(folder).free < SCARCE


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: sa.Connection, present: str | None) -> None:
    from alembic import command  # noqa: PLC0415 - only needed when there is something to migrate
    from alembic.config import Config  # noqa: PLC0415 - likewise
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - likewise

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    known = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise StoreError(f"the store has tables of version {present}, newer than this program's {HEAD}: update it")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def lock_key(name: str) -> int:
    """Given a lock's name, return its number among PostgreSQL's advisory locks (64 bits, the upper half ours)."""
    return 0x6D62 << 32 | crc32(name.encode())

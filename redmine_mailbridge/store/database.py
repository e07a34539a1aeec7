"""The database: SQLite by default, PostgreSQL when several machines share the work.

SQLite runs with WAL, synchronous=FULL (a committed "issue created" must survive a power cut) and BEGIN IMMEDIATE; see
dialects.py.
"""

import re
import shutil
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from redmine_mailbridge.errors import SettingsError, StoreBusy, StoreError, StoreFull
from redmine_mailbridge.store.dialects import engine_for, file_of, is_sqlite, one_at_a_time
from redmine_mailbridge.store.tables import HEAD, metadata
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from alembic import command, script
    from alembic import config as alembic_config
else:
    command = lazy_import("alembic.command")
    alembic_config = lazy_import("alembic.config")
    script = lazy_import("alembic.script")

BUSY_SECONDS = 30.0
LEASE_SECONDS = 10.0
"""For how long processes that share PostgreSQL hold a lease before they must renew it."""
SCARCE = 256 * 1024
"""Free bytes below which SQLite's log and index may no longer fit."""


class Database:
    """One engine, its write lock, and the translation of its errors."""

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS, lease_seconds: float = LEASE_SECONDS) -> None:
        try:
            self.url = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise SettingsError(f"[store] url: {error}; an example: sqlite:///mailbridge.db") from error
        self.is_sqlite = is_sqlite(self.url)
        file = file_of(self.url)
        self._folder = file.parent if file is not None else None
        self._writing = threading.Lock()
        self.fence: Callable[[sa.Connection], None] | None = None
        """Called in each transaction before it writes: raises LockLost if another process may be at work."""
        self.held: Callable[[], None] | None = None
        """Raises LockLost when the guarding lock is lost, without a statement; None where a lock cannot end while its
        holder is stopped."""
        self.lease_seconds = lease_seconds
        self.lease_engine: sa.Engine | None = None  # that of cluster/leases.py, once it is needed
        self.engine = engine_for(self.url, busy_seconds=busy_seconds)
        sa.event.listen(self.engine, "before_cursor_execute", _make_storable, retval=True)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction. Raise StoreBusy, StoreFull or StoreError in place of the driver's errors, LockLost if the
        guarding lock is lost.
        """
        with translated(self._folder), self._turn(), self.engine.begin() as connection:
            if self.fence is not None:
                self.fence(connection)
            yield connection

    def check_fence(self) -> None:
        """Raise LockLost if the guarding lock is lost, StoreError if that cannot be determined."""
        with self.read() as connection:
            if self.fence is not None:
                self.fence(connection)

    def check_held(self) -> None:
        """Called before the end of a request that changes something elsewhere is sent. Raise LockLost if the guarding
        lock is lost, as far as is known without asking the database.
        """
        if self.held is not None:
            self.held()

    @property
    def before_change(self) -> Callable[[], None] | None:
        """`check_held`, for what sends to other servers; None on SQLite, whose lock outlasts its holder's pauses."""
        return None if self.is_sqlite else self.check_held

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """SQLite has one writer: waiting for a lock in this process is cheaper than its busy loop."""
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
        """Migrate the tables to HEAD. Raise StoreError if they are of a newer version than this program, or of one
        before the first release, which cannot be migrated.

        If the tables are up to date nothing is written, so that a locked store can be opened.
        """
        with self.read() as connection:
            if self._present(connection) == HEAD:
                return
        with self.write() as connection:
            one_at_a_time(connection, "migrate")
            present = self._present(connection)
            if present is None:
                _create(connection)
            elif present != HEAD:
                upgrade(connection, present)

    def versions(self) -> tuple[str, str | None, str]:
        """The version of the database server, of the existing tables (None: none, or of no release) and of the tables
        that this program needs. Nothing is written.
        """
        with self.read() as connection:
            server = ".".join(map(str, connection.dialect.server_version_info or ()))
            return server, _version(connection, set(sa.inspect(connection).get_table_names())), HEAD

    def _present(self, connection: sa.Connection) -> str | None:
        """The version of the existing tables; None if there are none. Raise StoreError if they cannot be migrated."""
        tables = set(sa.inspect(connection).get_table_names())
        present = _version(connection, tables)
        if present is None and (unversioned := sorted(tables & metadata.tables.keys())):
            raise StoreError(self._unreleased(f"no version, but tables: {', '.join(unversioned)}"))
        if present is not None and _UNRELEASED.fullmatch(present):
            raise StoreError(self._unreleased(f"version {present}"))
        if present == HEAD and (lacking := _lacking(connection)):
            raise StoreError(self._unreleased(f"version {present}, but without the column {lacking}"))
        return present

    def _unreleased(self, what: str) -> str:
        """What to do with a store from before the first release, in one line."""
        file = file_of(self.url)
        where = self.url.render_as_string(hide_password=True)
        aside = f"move the file {file} aside" if file is not None else "name an empty database in [store] url"
        return (
            f"the store {where} is from before the first release ({what}) and cannot be upgraded: {aside}, and start "
            f"with an empty one. Finish its open messages with the old version first: messages that are still in the "
            f"mailboxes are fetched again, and a message whose issue was being created creates another one"
        )

    def close(self) -> None:
        """Close all connections."""
        for engine in filter(None, (self.engine, self.lease_engine)):
            engine.dispose()


_NOT_STORABLE = re.compile("[\0\ud800-\udfff]")
"""PostgreSQL does not accept NUL, and neither database accepts unpaired surrogates."""


def _make_storable(_on: object, _cursor: object, statement: str, values: Any, *_more: object) -> tuple[str, Any]:
    """Given a statement about to be executed, replace characters that no database accepts in all texts, which may
    come from strangers."""
    return statement, values if _is_storable(values) else _storable(values)


def _is_storable(values: Any) -> bool:
    """Are these values of a statement plain enough to need no replacing? Most are, and this is asked of each."""
    for value in values.values() if isinstance(values, dict) else values:
        if isinstance(value, str):
            if not value.isascii() or "\0" in value:
                return False
        elif type(value) not in _PLAIN and not (type(value) in _HOLDERS and _is_storable(value)):
            return False
    return True


_HOLDERS = frozenset((dict, list, tuple))
_PLAIN = frozenset((int, float, bool, type(None)))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() and "\0" not in value else _NOT_STORABLE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {name: _storable(part) for name, part in value.items()}
    return type(value)(map(_storable, value)) if isinstance(value, list | tuple) else value


@contextmanager
def translated(folder: Path | None = None) -> Iterator[None]:
    """Translate the driver's errors to the bridge's, with the driver's words and without its parameters.

    `folder` contains SQLite's file: on a full disk SQLite only reports "disk I/O error".
    """
    try:
        yield
    except NoConnectionFree as error:
        raise StoreBusy("the store is unavailable: all connections to it are in use") from error
    except PendingRollbackError as error:
        raise StoreBusy("the store is unavailable: the connection was lost") from error
    except DBAPIError as error:
        words = _words(error)
        low = words.lower()
        if "locked" in low or "busy" in low:
            raise StoreBusy(f"the store is locked by another process: {words}") from error
        if ("disk" in low and "full" in low) or ("disk i/o" in low and _full(folder)):
            raise StoreFull(f"the store's disk is full: {words}") from error
        if isinstance(error, OperationalError | InterfaceError) or _state(error) == HUNG:
            raise StoreBusy(f"the store is unavailable: {words}") from error
        if _forbidden(error):
            raise StoreError(
                f"the database rejected a statement: {words}. The user in [store] url must own that database, or the "
                f"tables in it: "
                "ALTER DATABASE name OWNER TO user"
            ) from error
        raise StoreError(f"the database rejected a statement: {words}") from error


def _words(error: DBAPIError) -> str:
    """The driver's message, in one line. PostgreSQL's further lines (DETAIL, LINE) show the data."""
    primary = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    return " ".join(str(primary or error.orig).split()) or type(error.orig).__name__


def _forbidden(error: DBAPIError) -> bool:
    """Does PostgreSQL report insufficient_privilege (SQLSTATE, see its documentation's appendix A)?"""
    return _state(error) == "42501"


HUNG = "25P03"
"""PostgreSQL's idle_in_transaction_session_timeout: it has ended the transaction of a process that stopped in it."""


def _state(error: DBAPIError) -> str | None:
    """PostgreSQL's SQLSTATE of an error; None if it has none."""
    return getattr(error.orig, "sqlstate", None)


def _full(folder: Path | None) -> bool:
    return folder is not None and shutil.disk_usage(folder).free < SCARCE


_UNRELEASED = re.compile(r"00\d\d")
"""The table versions before the first release; later ones have a name after the number."""


def _lacking(connection: sa.Connection) -> str:
    """Given tables of version HEAD, return a column that they lack: until the first release the tables were changed
    under the same version. "" if they lack none.
    """
    present = sa.inspect(connection).get_multi_columns(filter_names=list(metadata.tables))
    names = {table: {str(column["name"]) for column in columns} for (_schema, table), columns in present.items()}
    lacking = (
        column
        for table in metadata.tables.values()
        for column in table.columns
        if column.name not in names.get(table.name, ())
    )
    return next((f"{column.table.name}.{column.name}" for column in lacking), "")


_VERSION = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table."""


def _version(connection: sa.Connection, tables: Collection[str]) -> str | None:
    """Given the names of the existing tables, return their version."""
    if "alembic_version" not in tables:
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _create(connection: sa.Connection) -> None:
    """Given an empty database, create the tables as `upgrade` does, which a test compares: alembic and what it imports
    take 12 MB of memory.
    """
    metadata.create_all(connection, checkfirst=False)
    _VERSION.create(connection)
    connection.execute(sa.insert(_VERSION).values(version_num=HEAD))


def upgrade(connection: sa.Connection, present: str | None) -> None:
    """Given tables of a version, None for none, migrate them to HEAD. Raise StoreError if the version is newer."""
    config = alembic_config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    known = {version.revision for version in script.ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise StoreError(
            f"the store has tables of version {present}, newer than this program's {HEAD}: update redmine-mailbridge"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

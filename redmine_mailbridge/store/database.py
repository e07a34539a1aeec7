"""The database: SQLite by default, PostgreSQL when several machines share the work.

SQLite runs with WAL, synchronous=FULL (a committed "issue made" must survive a power cut) and BEGIN IMMEDIATE; see
dialects.py.
"""

import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
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
SCARCE = 256 * 1024
"""Free bytes below which SQLite's log and index need not fit any more."""


class Database:
    """One engine, its write lock, and the translation of its errors."""

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        try:
            self.url = sa.make_url(url)
        except sa.exc.ArgumentError as error:
            raise SettingsError(f"[store] url: {error}; an example: sqlite:///mailbridge.db") from error
        self.is_sqlite = is_sqlite(self.url)
        file = file_of(self.url)
        self._folder = file.parent if file is not None else None
        self._writing = threading.Lock()
        self.fence: Callable[[sa.Connection], None] | None = None
        """Asked in each transaction that writes, before it does: raises LockLost when another may be at work."""
        self.engine = engine_for(self.url, busy_seconds=busy_seconds)
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
        """Bring the tables to HEAD. Raise StoreError when they are of a newer version than this program, or of one
        before the first release, which nothing upgrades.

        Tables that are there already need no write, so that a store that is locked can be opened.
        """
        with self.read() as connection:
            if self._present(connection) == HEAD:
                return
        with self.write() as connection:
            one_at_a_time(connection, "migrate")
            present = self._present(connection)
            if present != HEAD:
                _upgrade(connection, present)

    def _present(self, connection: sa.Connection) -> str | None:
        """The version of the tables that are there; None when none are. Raise StoreError when nothing upgrades them."""
        tables = set(sa.inspect(connection).get_table_names())
        present = None
        if "alembic_version" in tables:
            present = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        if present is None and (unversioned := sorted(tables & metadata.tables.keys())):
            raise StoreError(self._unreleased(f"no version, but tables: {', '.join(unversioned)}"))
        if present is not None and _UNRELEASED.fullmatch(present):
            raise StoreError(self._unreleased(f"version {present}"))
        return present

    def _unreleased(self, what: str) -> str:
        """What to do with a store that a version before the first release has made, in one line."""
        file = file_of(self.url)
        where = self.url.render_as_string(hide_password=True)
        aside = f"move the file {file} aside" if file is not None else "name an empty database in [store] url"
        return (
            f"the store {where} is from before the first release ({what}), which nothing upgrades: {aside}, and start "
            f"with an empty one. End its open mails with the version that made it first: what still lies in the "
            f"mailboxes is fetched again, and a mail whose issue was just being made becomes another one"
        )

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
        words = _words(error)
        low = words.lower()
        if "locked" in low or "busy" in low:
            raise StoreBusy(f"the store is locked by another process: {words}") from error
        if ("disk" in low and "full" in low) or ("disk i/o" in low and _full(folder)):
            raise StoreFull(f"the store's disk is full: {words}") from error
        if isinstance(error, OperationalError | InterfaceError):
            raise StoreBusy(f"the store cannot be reached: {words}") from error
        if _forbidden(error):
            raise StoreError(
                f"the store refused: {words}. The user in [store] url must own that database, or the tables in it: "
                "ALTER DATABASE name OWNER TO user"
            ) from error
        raise StoreError(f"the store refused: {words}") from error


def _words(error: DBAPIError) -> str:
    """What the driver says, in one line. PostgreSQL's further lines (DETAIL, LINE) show what was to be stored."""
    primary = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    return " ".join(str(primary or error.orig).split()) or type(error.orig).__name__


def _forbidden(error: DBAPIError) -> bool:
    """Does PostgreSQL let its user not do this (SQLSTATE insufficient_privilege, its documentation's appendix A)?"""
    return getattr(error.orig, "sqlstate", None) == "42501"


def _full(folder: Path | None) -> bool:
    return folder is not None and shutil.disk_usage(folder).free < SCARCE


_UNRELEASED = re.compile(r"00\d\d")
"""The versions of tables before the first release; later ones have a name behind their number."""


def _upgrade(connection: sa.Connection, present: str | None) -> None:
    config = alembic_config.Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    known = {one.revision for one in script.ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise StoreError(f"the store has tables of version {present}, newer than this program's {HEAD}: update it")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")

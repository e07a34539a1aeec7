"""What the two databases have each for itself."""

import sqlite3
import sys
from pathlib import Path
from typing import Any, Self, cast
from zlib import crc32

import pytest
import sqlalchemy as sa

from redmine_mailbridge.errors import SettingsError, StoreBusy
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import lock_key, one_at_a_time, postgresql_engine
from redmine_mailbridge.store.messages import Store


def test_the_number_of_a_lock_is_the_same_in_every_version_that_shares_a_database() -> None:
    assert (0x6D62, crc32(b"service")) == divmod(lock_key("service"), 2**32)
    assert lock_key("service") != lock_key("tasks")


def test_the_folders_above_a_new_database_are_made(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path}/new/deeper/store.db", tmp_path / "raw")
    store.close()
    assert (tmp_path / "new" / "deeper" / "store.db").exists()


def test_a_transaction_that_cannot_begin_raises_the_stores_own_error(tmp_path: Path) -> None:
    """While another process writes, the store is busy; after that, the same connection writes."""
    url = f"sqlite:///{tmp_path}/store.db"
    Store.open(url, tmp_path / "raw").close()
    here, there = Database(url, busy_seconds=0.05), Database(url)
    with there.write(), pytest.raises(StoreBusy, match="locked by another process: database is locked"), here.write():
        pass
    with here.write() as db:
        assert 1 == db.execute(sa.text("SELECT 1")).scalar()
    here.close()
    there.close()


def test_postgresql_without_its_package_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        SettingsError, match=r"needs the package psycopg; run pip install 'redmine-mailbridge\[postgresql\]'"
    ):
        postgresql_engine(sa.make_url("postgresql+psycopg://mailbridge@localhost/mailbridge"))


def _offered(url: str) -> dict[str, object]:
    """The options with which a connection to PostgreSQL is asked for."""
    engine = postgresql_engine(sa.make_url(url))
    offered: dict[str, object] = {}

    @sa.event.listens_for(engine, "do_connect")
    def _refuse(_dialect: object, _record: object, _positional: object, options: dict[str, object]) -> None:
        offered.update(options)
        raise ConnectionRefusedError

    with pytest.raises(ConnectionRefusedError):
        engine.connect()
    return offered


def test_a_dead_server_is_noticed() -> None:
    """A connection to PostgreSQL is given up 10 seconds after it is asked for, and a minute after the last packet of a
    server that is gone: 30 seconds, and 3 probes in 10 seconds each.
    """
    pytest.importorskip("psycopg")
    offered = _offered("postgresql+psycopg://mailbridge@localhost/mailbridge")
    assert (10, 30, 10, 3) == tuple(
        offered[name] for name in ("connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count")
    )


def test_the_url_decides() -> None:
    """What the URL says of timeouts replaces the program's own."""
    pytest.importorskip("psycopg")
    offered = _offered("postgresql+psycopg://mailbridge@localhost/mailbridge?connect_timeout=3")
    assert ("3", 30) == (offered["connect_timeout"], offered["keepalives_idle"])


def test_one_at_a_time() -> None:
    """On PostgreSQL a name is locked until the transaction ends, by its number."""
    asked: list[tuple[str, object]] = []
    mock = sa.create_mock_engine(
        "postgresql+psycopg://", lambda statement, values: asked.append((str(statement), values))
    )
    one_at_a_time(cast("sa.Connection", mock), "copies")
    assert [("SELECT pg_advisory_xact_lock(:key)", {"key": lock_key("copies")})] == asked


class _Cursor(sqlite3.Cursor):
    """A cursor that is closed by `with`, as PostgreSQL's, and knows a statement of PostgreSQL."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def execute(self, statement: str, *values: Any) -> Self:
        if not statement.startswith("SET "):
            return super().execute(statement, *values)
        assert isinstance(self.connection, _Session)
        self.connection.told.append(statement)
        if self.connection.refuses:
            raise PermissionError
        return self


class _Session(sqlite3.Connection):
    """A connection to a server that is told something, and may refuse it."""

    refuses = False

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.told = list[str]()

    def cursor(self, *_: Any) -> Any:
        return super().cursor(_Cursor)


class _Pooler(_Session):
    refuses = True


@pytest.mark.parametrize("kind", [_Session, _Pooler])
def test_a_dead_client_is_noticed(kind: type[_Session]) -> None:
    """The server gives up a client that is gone within a minute too, whose locks are then free; a pooler that does not
    let that be set is used as it is.
    """
    session = sqlite3.connect(":memory:", factory=kind)
    engine = postgresql_engine(sa.make_url("sqlite://"), creator=lambda: session)
    with engine.connect() as db:
        assert 1 == db.execute(sa.text("SELECT 1")).scalar()
    told = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"
    assert [told] == session.told
    engine.dispose()

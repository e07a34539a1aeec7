"""What the database does for all that use it: turns, what it can store, and errors that say what to do."""

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaits
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from redmine_mailbridge.errors import LockLost, SettingsError, StoreBusy, StoreError
from redmine_mailbridge.store.database import Database, translated
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.meta import Meta


def _write(database: Database, value: str) -> None:
    with database.write() as db:
        Meta(db).put("key", value)


def test_threads_take_turns(store: Store, tmp_path: Path) -> None:
    """Of one process's threads one writes at a time, and the others wait for as long as it takes: only another process
    is waited for no longer than the time for that.
    """
    database = Database(f"sqlite:///{tmp_path}/store.db", busy_seconds=0.0)
    with ThreadPoolExecutor(1) as pool:
        with database.write() as db:
            Meta(db).put("key", "first")
            second = pool.submit(_write, database, "second")
            with pytest.raises(StillWaits):
                second.result(timeout=0.2)
        second.result()
    with database.read() as db:
        assert "second" == Meta(db).get("key")
    with store.database.write(), pytest.raises(StoreBusy):
        _write(database, "third")
    database.close()


@pytest.mark.parametrize(("query", "milliseconds"), [("", 30_000), ("?timeout=0.2", 200)])
def test_how_long_another_process_is_waited_for(tmp_path: Path, query: str, milliseconds: int) -> None:
    """Half a minute, unless the URL says otherwise."""
    database = Database(f"sqlite:///{tmp_path}/new.db{query}")
    with database.read() as db:
        assert milliseconds == db.execute(sa.text("PRAGMA busy_timeout")).scalar()
    database.close()


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("Grüße \U0001f600", "Grüße \U0001f600"),
        ("a\0b", "a\ufffdb"),
        ("ä\0ö", "ä\ufffdö"),
        ("\ud800 and \udfff", "\ufffd and \ufffd"),
        ("", ""),
    ],
)
def test_what_no_database_stores(store: Store, text: str, stored: str) -> None:
    """NUL and half surrogate pairs, which strangers may send, are replaced, one row at a time or many."""
    with store.database.write() as db:
        Meta(db).put("one", text)
        db.execute(sa.text("INSERT INTO meta (key, value) VALUES (:key, :value)"), [
            {"key": "two", "value": "plain"}, {"key": "three", "value": text},
        ])  # fmt: skip
    with store.database.read() as db:
        assert [stored, "plain", stored] == [Meta(db).get(key) for key in ("one", "two", "three")]
        assert stored == db.execute(sa.text("SELECT :value"), {"value": text}).scalar(), "also as the only value"


class _Reported(Exception):
    """An error of PostgreSQL's driver."""

    def __init__(self, words: str, sqlstate: str = "") -> None:
        super().__init__(words)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (NoConnectionFree(), StoreBusy, "the store is unavailable: all connections to it are in use"),
        (PendingRollbackError(), StoreBusy, "the store is unavailable: the connection was lost"),
        (OperationalError("", {}, _Reported("gone")), StoreBusy, "the store is unavailable: gone"),
        (InterfaceError("", {}, _Reported("closed")), StoreBusy, "the store is unavailable: closed"),
        (OperationalError("", {}, _Reported("is LOCKED")), StoreBusy, "locked by another process: is LOCKED"),
        (OperationalError("", {}, _Reported("is busy")), StoreBusy, "locked by another process: is busy"),
        (OperationalError("", {}, _Reported("disk failure")), StoreBusy, "the store is unavailable: disk failure"),
        (OperationalError("", {}, _Reported("queue full")), StoreBusy, "the store is unavailable: queue full"),
        (ProgrammingError("", {}, _Reported("no  such\n table")), StoreError, "rejected a statement: no such table"),
        (ProgrammingError("", {}, _Reported("")), StoreError, "rejected a statement: _Reported"),
        (ProgrammingError("", {}, _Reported("denied", "42501")), StoreError, "must own that database"),
    ],
)
def test_errors_of_the_driver(error: Exception, kind: type[StoreError], words: str) -> None:
    """Each is one of the store's own, with the driver's words in one line and, where there is one, the remedy."""
    with pytest.raises(StoreError) as raised, translated():
        raise error
    assert (kind, error) == (type(raised.value), raised.value.__cause__)
    assert words in str(raised.value)
    assert ("OWNER TO" in str(raised.value)) is ("must own" in words)


def test_a_url_that_is_none() -> None:
    """The error names the setting and an example."""
    with pytest.raises(SettingsError, match=r"^\[store\] url: .*; an example: sqlite:///mailbridge\.db$"):
        Database("mailbridge.db")


def test_the_fence_is_asked_before_each_write(store: Store) -> None:
    """Who no longer holds the lock writes nothing, and can ask for it without writing; reading goes on."""
    asked: list[sa.Connection] = []
    store.database.check_fence()
    store.database.fence = asked.append
    _write(store.database, "first")
    store.database.check_fence()
    assert 2 == len(asked)

    def lost(_db: sa.Connection) -> None:
        raise LockLost("lost")

    store.database.fence = lost
    with pytest.raises(LockLost):
        _write(store.database, "second")
    with pytest.raises(LockLost):
        store.database.check_fence()
    with store.database.read() as db:
        assert "first" == Meta(db).get("key")


def test_in_memory(tmp_path: Path) -> None:
    """A store without a file keeps what it is told, as long as it is open."""
    store = Store.open("sqlite://", tmp_path / "raw")
    secret = store.secret("instance")
    with ThreadPoolExecutor(1) as pool:
        assert secret == pool.submit(store.secret, "instance").result()
    lock = store.lock("service")
    lock.check()
    assert not store.is_locked("service")
    lock.release()
    store.close()

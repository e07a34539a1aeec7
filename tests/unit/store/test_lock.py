"""The lock on a store's file: one holder, who notices when it is worth nothing any more."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redmine_mailbridge import errors
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import lock_key
from redmine_mailbridge.store.lock import LOST, Lock, is_held, take_lock
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.meta import Meta
from tests.unit.store.catalogs import change_locks, list_lock, open_catalogs


def opened(folder: Path) -> Store:
    """The store in a folder, as a process opens it."""
    return Store.open(f"sqlite:///{folder}/store.db", folder / "raw")


def test_looking_takes_nothing(store: Store, tmp_path: Path) -> None:
    """Whether somebody works on a store is told without taking its lock, and before anybody ever has."""
    assert not store.is_locked("service")
    lock = store.lock("service")
    other = opened(tmp_path)
    assert (True, True) == (store.is_locked("service"), other.is_locked("service"))
    lock.release()
    assert not other.is_locked("service")
    other.close()


def test_it_is_tried_for_a_moment(store: Store) -> None:
    """Who only looks, at that very moment, is not taken for a second service."""
    held = store.lock("service")
    threading.Timer(0.2, held.release).start()
    store.lock("service").release()


@pytest.mark.fault("I7")
def test_a_lock_whose_file_is_gone_is_lost(store: Store, tmp_path: Path) -> None:
    """When somebody removes the lock's file, a second service could start: whoever holds the lock writes no more, says
    so once, and respects the one that has it now."""
    lock = store.lock("service")
    said: list[str] = []
    lock.on_lost = said.append
    lock.guard(store.database)
    store.secret("written")
    (tmp_path / "store.db.service.lock").unlink()
    for _ in range(2):
        with pytest.raises(errors.LockLost, match="another process may be working on it"):
            store.secret("not written")
    assert 1 == len(said)
    with pytest.raises(errors.LockLost):
        lock.check()

    other = opened(tmp_path)
    second = other.lock("service")
    second.guard(other.database)
    other.secret("by the second")
    second.check()
    with pytest.raises(errors.LockLost):
        store.secret("not written either")
    with pytest.raises(errors.AlreadyRunning):
        store.lock("service")
    second.release()
    store.lock("service").guard(store.database)
    store.secret("with a new lock")
    other.close()


@pytest.mark.fault("C8")
def test_a_store_that_is_locked_can_be_opened(store: Store, tmp_path: Path) -> None:
    """What only reads works on while another process writes to the database for long; opening the store is reading."""
    store.secret("instance")
    with store.database.write():
        other = Store.open(f"sqlite:///{tmp_path}/store.db?timeout=0.2", tmp_path / "raw")
        assert store.secret("instance") == other.secret("instance")
        with pytest.raises(errors.StoreBusy):
            other.secret("new")
    other.close()


@pytest.mark.fault("N13")
def test_what_to_do_about_another_process(store: Store, tmp_path: Path) -> None:
    """Whoever finds the store in use reads how to end the other process, and that `stop` only pauses it."""
    lock, other = store.lock("service"), opened(tmp_path)
    with pytest.raises(errors.AlreadyRunning) as refused:
        other.lock("service")
    lock.release()
    other.close()
    assert "systemctl stop redmine-mailbridge" in str(refused.value)
    assert "`stop` only pauses it" in str(refused.value)
    assert "--wait SECONDS" in str(refused.value)


def test_no_file(store: Store, tmp_path: Path) -> None:
    """A lock whose file is gone says so, with the file's name."""
    lock, path = store.lock("service"), tmp_path / "store.db.service.lock"
    path.unlink()
    with pytest.raises(errors.LockLost, match=f"{path}: No such file or directory"):
        lock.check()


@pytest.fixture
def catalogs(tmp_path: Path) -> Iterator[Database]:
    """A database that has advisory locks."""
    made = open_catalogs(tmp_path)
    yield made
    made.close()


def test_advisory_lock(catalogs: Database) -> None:
    """On PostgreSQL a lock is held if its catalog of locks has it as a granted advisory lock of this database, with the
    number of its name in two halves.
    """
    upper, lower = divmod(lock_key("service"), 2**32)
    right = {
        "locktype": "advisory",
        "classid": upper,
        "objid": lower,
        "objsubid": 1,
        "pid": 9,
        "granted": 1,
        "database": 1,
    }
    others: list[dict[str, object]] = [
        {"locktype": "relation"}, {"locktype": "a"}, {"classid": upper + 1}, {"classid": upper - 1},
        {"objid": lower + 1}, {"objid": lower - 1}, {"objsubid": 0}, {"objsubid": 2}, {"granted": 0}, {"database": 2},
    ]  # fmt: skip
    held = []
    for other in ({}, *others):
        change_locks(catalogs, "DELETE FROM pg_locks")
        list_lock(catalogs, right | other)
        held.append(is_held(catalogs, "service"))
    assert [True] + [False] * len(others) == held


def test_one_advisory_lock(catalogs: Database) -> None:
    """On PostgreSQL too one process holds a lock, until it releases it; other locks are free."""
    assert not is_held(catalogs, "service")
    lock = take_lock(catalogs, "service", wait=0.0)
    assert (True, False) == (is_held(catalogs, "service"), is_held(catalogs, "tasks"))
    with pytest.raises(errors.AlreadyRunning):
        take_lock(catalogs, "service", wait=0.0)
    take_lock(catalogs, "tasks", wait=0.0).release()
    lock.check()
    lock.release()
    assert not is_held(catalogs, "service")
    take_lock(catalogs, "service", wait=0.0).release()


def _loss(lock: Lock) -> str:
    with pytest.raises(errors.LockLost) as lost:
        lock.check()
    return str(lost.value).removeprefix(LOST)


def test_advisory_lock_lost(catalogs: Database) -> None:
    """A holder whose advisory lock is gone is told why: PostgreSQL has it no longer, the connection broke, or it was
    released.
    """
    lock = take_lock(catalogs, "one", wait=0.0)
    change_locks(catalogs, "DELETE FROM pg_locks")
    assert " (PostgreSQL no longer knows it)" == _loss(lock)
    lock.release()
    lock = take_lock(catalogs, "two", wait=0.0)
    lock.release()
    assert " (it was released)" == _loss(lock)
    lock = take_lock(catalogs, "three", wait=0.0)
    change_locks(catalogs, "ALTER TABLE pg_database RENAME TO gone")
    assert " (the connection that held it is gone: no such table: pg_database)" == _loss(lock)
    lock.release()


def test_advisory_guard(catalogs: Database) -> None:
    """Whoever holds an advisory lock writes while the lock and its mark are there, which each new holder rewrites."""
    lock = take_lock(catalogs, "service", wait=0.0)
    take_lock(catalogs, "tasks", wait=0.0).release()  # leaves another mark
    lock.guard(catalogs)
    with catalogs.write() as db:
        Meta(db).put("written", "yes")
    change_locks(catalogs, "UPDATE meta SET value = 'another holder' WHERE key = 'holder:service'")
    with pytest.raises(errors.LockLost), catalogs.write() as db:
        Meta(db).put("written", "no")
    with catalogs.read() as db:
        assert "yes" == Meta(db).get("written")
    lock.release()


def test_advisory_guard_without_lock(catalogs: Database) -> None:
    """A mark without its lock is not enough to write."""
    lock = take_lock(catalogs, "service", wait=0.0)
    lock.guard(catalogs)
    change_locks(catalogs, "DELETE FROM pg_locks")
    with pytest.raises(errors.LockLost), catalogs.write() as db:
        Meta(db).put("written", "no")
    lock.release()


def test_new_mark(catalogs: Database) -> None:
    """Each holder of an advisory lock has a mark of 128 bits of its own."""
    marks = []
    for _ in range(2):
        take_lock(catalogs, "service", wait=0.0).release()
        with catalogs.read() as db:
            marks.append(Meta(db).get("holder:service") or "")
    assert [128, 128] == [4 * len(mark) for mark in marks]
    assert marks[0] != marks[1]


def test_the_file_is_its_owners(store: Store, tmp_path: Path) -> None:
    """Nobody else on the machine can lock the file, and so stop the service."""
    store.lock("service").release()
    assert 0o600 == (tmp_path / "store.db.service.lock").stat().st_mode & 0o777


def test_released_is_not_lost(store: Store) -> None:
    """A lock that its holder releases, even twice, is no loss."""
    lock = store.lock("service")
    lost: list[str] = []
    lock.on_lost = lost.append
    for _ in range(2):
        lock.release()
        with pytest.raises(errors.LockLost, match="was released"):
            lock.check()
    assert [] == lost


class Stopwatch:
    """Time that goes on only while somebody waits; in place of the module `time`."""

    def __init__(self, while_waiting: Callable[[], None] = lambda: None) -> None:
        self.now, self.pauses, self.while_waiting = 100.0, list[float](), while_waiting

    def monotonic(self) -> float:
        """Return seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self.pauses.append(round(seconds, 6))
        self.now = round(self.now + seconds, 6)
        self.while_waiting()


@pytest.mark.parametrize(("wait", "pauses"), [(0.0, [0.1] * 5), (0.3, [0.1] * 5), (1.75, [0.1] * 5 + [0.5, 0.5, 0.25])])
def test_how_often_a_lock_is_tried(
    store: Store, monkeypatch: pytest.MonkeyPatch, wait: float, pauses: list[float]
) -> None:
    """Ten times a second for half a second, in which another process may only be looking; then twice a second, until
    the time that was asked for is over.
    """
    watch, held = Stopwatch(), store.lock("service")
    monkeypatch.setattr("redmine_mailbridge.store.lock.time", watch)
    with pytest.raises(errors.AlreadyRunning):
        store.lock("service", wait=wait)
    assert pauses == watch.pauses
    held.release()


def test_a_store_that_comes_back(catalogs: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a lock is tried the store may be unavailable: only if it is at the end too, that is the error."""
    change_locks(catalogs, "ALTER TABLE pg_locks RENAME TO away")
    watch = Stopwatch()
    monkeypatch.setattr("redmine_mailbridge.store.lock.time", watch)
    with pytest.raises(errors.StoreBusy):
        take_lock(catalogs, "service", wait=0.0)
    assert [0.1] * 5 == watch.pauses

    def back() -> None:
        change_locks(catalogs, "ALTER TABLE away RENAME TO pg_locks")

    monkeypatch.setattr("redmine_mailbridge.store.lock.time", Stopwatch(back))
    lock = take_lock(catalogs, "service", wait=0.0)
    lock.check()
    lock.release()


def test_a_lock_that_was_released_is_not_held(store: Store) -> None:
    """Whoever writes on after it is refused, as on PostgreSQL: another process may have taken it."""
    lock = store.lock("service")
    lock.guard(store.database)
    store.secret("written")
    lock.release()
    with pytest.raises(errors.LockLost, match="was released"):
        lock.check()
    with pytest.raises(errors.LockLost):
        store.secret("not written")

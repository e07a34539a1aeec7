"""The lock on a store's file: one holder, who notices when it is worth nothing any more."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from redmine_mailbridge import errors
from redmine_mailbridge.store.messages import Store


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

"""The lock on a store's file: one holder, who notices when it is worth nothing any more."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge import errors
from redmine_mailbridge.store.messages import Store


def opened(folder: Path) -> Store:
    """The store in a folder, as a process opens it."""
    return Store.open(f"sqlite:///{folder}/store.db", folder / "raw")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    made = opened(tmp_path)
    yield made
    made.close()


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
        with pytest.raises(errors.LockLost, match="another may work on it"):
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

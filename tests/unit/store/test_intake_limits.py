"""A stop, its answer and its end, asked for by two processes at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.messages import Store


def just_before_writing(database: Database, what: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have another process do something right before the next transaction of this one begins."""
    begin = database.write

    @contextmanager
    def write() -> Iterator[sa.Connection]:
        monkeypatch.undo()
        what()
        with begin() as db:
            yield db

    monkeypatch.setattr(database, "write", write)


@pytest.mark.fault("A15-2")
def test_a_release_while_the_mailbox_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who releases a mailbox at the very moment in which it went on releases nothing: the next stop asks."""
    store.brake("box", 500)
    store.release("box", 500)
    just_before_writing(store.database, lambda: store.end_brake("box"), monkeypatch)
    assert store.release("box", 500) is None
    assert store.released("box") is None


def test_each_for_itself(store: Store) -> None:
    """A mailbox is paused until it goes on, released or not; others are not."""
    for name in ("box", "other"):
        store.brake(name, 500)
    store.brake("other", 600)
    assert [500, 600, None] == [store.braked(name) for name in ("box", "other", "third")]
    assert (600, None) == (store.release("other", 650), store.release("third", 9))
    assert [None, 650, None] == [store.released(name) for name in ("box", "other", "third")]
    store.end_brake("box")
    assert [None, 600] == [store.braked(name) for name in ("box", "other")]
    store.end_brake("other")
    assert [None, None] == [store.braked("other"), store.released("other")]

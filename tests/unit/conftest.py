"""A store on SQLite, by the clock of the module that asks for it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.store.messages import Store


@pytest.fixture
def clock() -> Callable[[], float]:
    """The real time; a module that sets its own has a `Clock` here."""
    return time.time


@pytest.fixture
def store(tmp_path: Path, clock: Callable[[], float]) -> Iterator[Store]:
    """An empty store, in `store.db` and `raw`."""
    made = Store.open(f"sqlite:///{tmp_path}/store.db", tmp_path / "raw", clock=clock)
    yield made
    made.close()

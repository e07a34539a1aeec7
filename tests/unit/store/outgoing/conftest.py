"""An outbox whose time a test sets."""

import pytest

from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.outbox import Outbox
from tests.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    """The clock of the store and the outbox."""
    return Clock()


@pytest.fixture
def outbox(store: Store, clock: Clock) -> Outbox:
    """An empty outbox."""
    return Outbox(store.database, clock)

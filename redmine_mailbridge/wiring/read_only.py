"""Wires what only looks: it reads and decides, and writes nothing; a store that is not there yet is not made."""

from collections.abc import Iterator
from contextlib import contextmanager

from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.database import BUSY_SECONDS
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.planner import Planner
from redmine_mailbridge.wiring import planner
from redmine_mailbridge.wiring.redmine import fact_finder, metadata_of, redmine_client
from redmine_mailbridge.wiring.store import open_store


@contextmanager
def store_of(settings: Settings, *, patience: float = BUSY_SECONDS) -> Iterator[Store | None]:
    """Given settings, lend the store; None when there is none yet. `patience` as for `open_store`."""
    file = settings.store.sqlite_file
    store = None if file is not None and not file.exists() else open_store(settings, patience=patience)
    try:
        yield store
    finally:
        if store is not None:
            store.close()


@contextmanager
def deciding(settings: Settings, *, offline: bool = False) -> Iterator[Planner]:
    """Given settings, lend what reads and decides and writes nothing: with what Redmine and the store know, or offline.

    A store that is not there yet is not made.
    """
    if offline:
        yield planner.planner(settings, None, None)
        return
    client = redmine_client(settings.redmine)
    facts = fact_finder(client, metadata_of(client, settings.redmine), settings.redmine)
    try:
        with store_of(settings) as store:
            yield planner.planner(settings, store, facts)
    finally:
        client.close()


def loop_value(settings: Settings) -> str:
    """The value by which a bridge on this store knows its own mail; an empty text if the store does not exist yet."""
    with store_of(settings) as store:
        return store.secret("instance") if store is not None else ""

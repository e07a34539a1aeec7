"""Wires what only looks: it reads and decides, and writes nothing; a store that is not there yet is not made."""

from collections.abc import Iterator
from contextlib import contextmanager

from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import Archive
from redmine_mailbridge.tasks.receive.planner import Decider
from redmine_mailbridge.wiring import application


@contextmanager
def store_of(settings: Settings) -> Iterator[Store | None]:
    """Given settings, lend the store; None when there is none yet."""
    file = settings.store.sqlite_file
    store = None if file is not None and not file.exists() else application.open_store(settings)
    try:
        yield store
    finally:
        if store is not None:
            store.close()


@contextmanager
def deciding(settings: Settings, *, offline: bool = False) -> Iterator[Decider]:
    """Given settings, lend what reads and decides and writes nothing: with what Redmine and the store know, or offline.

    A store that is not there yet is not made.
    """
    if offline:
        yield Decider(application.contexts(settings, _no_secret), None, None)
        return
    client = application.redmine_client(settings.redmine)
    directory = application.directory_of(client, settings.redmine)
    facts = application.fact_finder(client, directory, settings.redmine)
    try:
        with store_of(settings) as store:
            secret = store.secret if store is not None else _no_secret
            archive = Archive(store.database) if store is not None else None
            yield Decider(application.contexts(settings, secret), archive, facts)
    finally:
        client.close()


def loop_value(settings: Settings) -> str:
    """The value by which a bridge on this store knows its own mail; an empty text when there is no store yet."""
    with store_of(settings) as store:
        return store.secret("instance") if store is not None else ""


def _no_secret(name: str) -> str:
    """A value that no mail of ours was signed with."""
    return f"no-{name}".ljust(32, "-")

"""Wires what all the rest is wired to: the store, the way to Redmine, and what decides."""

from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.piggyback import Piggyback
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.tasks.receive.planner import Planner
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.wiring.answers import answer_field
from redmine_mailbridge.wiring.planner import planner
from redmine_mailbridge.wiring.redmine import fact_finder, metadata_of, redmine_client
from redmine_mailbridge.wiring.store import message_queries


@dataclass(frozen=True, slots=True)
class Core:
    """What all the rest is wired to. `piggyback` is the field that is written with other requests, if there is one."""

    settings: Settings
    store: Store
    message_queries: MessageQueries
    client: Client
    metadata: MetadataCache
    planner: Planner
    piggyback: Piggyback | None


def core_of(settings: Settings, store: Store) -> Core:
    """Given settings and the open store, wire what all the rest is wired to. Nothing is connected yet."""
    client = redmine_client(settings.redmine)
    metadata = metadata_of(client, settings.redmine)
    return Core(
        settings=settings,
        store=store,
        message_queries=message_queries(store),
        client=client,
        metadata=metadata,
        planner=planner(settings, store, fact_finder(client, metadata, settings.redmine)),
        piggyback=answer_field(settings, store, metadata),
    )

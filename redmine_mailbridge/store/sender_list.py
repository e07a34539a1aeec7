"""The senders that a person has blocked or allowed, with who did it and when."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from redmine_mailbridge.model.sender_list import ListedSender, SenderListing
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.tables import sender_list
from redmine_mailbridge.util.cache import Cache

KNOWN_FOR = 1.0
"""Seconds after which a decision that another process made counts."""


class SenderList:
    """The list of a store. One pattern has one entry: the last decision counts. Thread-safe."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._known = Cache[str, dict[str, ListedSender]](KNOWN_FOR)

    def all(self) -> tuple[ListedSender, ...]:
        """The whole list, by pattern."""
        with self._database.read() as db:
            rows = db.execute(sa.select(sender_list).order_by(sender_list.c.pattern)).all()
        return tuple(ListedSender(row.pattern, SenderListing(row.listing), row.who, row.at) for row in rows)

    def among(self, patterns: Sequence[str]) -> tuple[ListedSender, ...]:
        """The entries with one of these patterns: asked for with every mail, so the list is read once a second."""
        known = self._known.get("all", lambda: {entry.pattern: entry for entry in self.all()})
        return tuple(known[pattern] for pattern in patterns if pattern in known)

    def add(self, pattern: str, listing: SenderListing, who: str) -> ListedSender:
        """Block or allow a sender, in place of what was decided about it before. Return the entry."""
        entry = ListedSender(pattern, listing, who[:255], self._clock())
        values = {"pattern": pattern, "listing": listing.value, "who": entry.who, "at": entry.at}
        with side_effect(SideEffect.STEER), self._database.write() as db:
            upsert(db, sender_list, values)
        self._known.clear()
        return entry

    def remove(self, pattern: str) -> bool:
        """Remove an entry. Return whether there was one."""
        with side_effect(SideEffect.STEER), self._database.write() as db:
            removed = db.execute(sa.delete(sender_list).where(sender_list.c.pattern == pattern)).rowcount > 0
        self._known.clear()
        return removed

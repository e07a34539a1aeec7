"""Moves raw messages to the place that the settings name, while the service runs or not.

Each message is written there first, durably, and then removed from the other place, in a transaction that finds out
whether it is still needed: an interrupted move has each message in at least one place, and continues when repeated.
"""

from collections.abc import Callable, Iterator

import sqlalchemy as sa

from redmine_mailbridge.errors import RawUnreadable
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.dialects import is_there
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_mails.contract import RawPlace
from redmine_mailbridge.store.tables import mail, raw_mail
from redmine_mailbridge.util.dataclass import dataclass

AT_ONCE = 500
"""Digests read in one query."""


@dataclass(slots=True)
class Moved:
    """How many messages were moved, with their bytes; how many were already there; what could not be moved, and why."""

    messages: int = 0
    size: int = 0
    there: int = 0
    faults: int = 0


def move_raw(store: Store, *, say: Callable[[str], object], report: Callable[[Moved], object]) -> Moved:
    """Given a store, move its raw messages to where the settings say. `say` receives a line for each message that
    cannot be moved, `report` the counts after each message. Raise StoreError if the database or the disk fails.
    """
    moved = Moved()
    source = store.raw.elsewhere
    if source is None:
        return moved
    for digest in _digests(store):
        try:
            size = _move(store, source, digest)
        except RawUnreadable as error:
            moved.faults += 1
            say(str(error))
            continue
        if size is None:
            moved.there += 1
        else:
            moved.messages += 1
            moved.size += size
        report(moved)
    return moved


def _digests(store: Store) -> Iterator[str]:
    """The digests of all messages whose bytes the store has, in order."""
    last = ""
    while True:
        query = sa.select(mail.c.raw).where(mail.c.raw > last).distinct().order_by(mail.c.raw).limit(AT_ONCE)
        with store.database.read() as db:
            some = list(db.execute(query).scalars())
        yield from some
        if len(some) < AT_ONCE:
            return
        last = some[-1]


def _move(store: Store, source: RawPlace, digest: str) -> int | None:
    """Move one message. Return its size; None if there was nothing to move. Raise RawUnreadable if it is in neither
    place or damaged.
    """
    try:
        content = source.read(digest)
    except RawUnreadable:
        if store.raw.here.whole(digest) or not _is_needed(store, digest):
            return None
        raise
    size = len(content)
    store.raw.here.put(content)
    with side_effect(SideEffect.MOVE_RAW), store.database.write() as db:
        store.raw.lock(db, [digest])
        if not is_there(db, _rows(digest)):  # retention has forgotten it in the meantime
            store.raw.here.remove(db, [digest])
        source.remove(db, [digest])
    return size


def _rows(digest: str) -> sa.Select[tuple[int]]:
    return sa.select(mail.c.id).where(mail.c.raw == digest)


def _is_needed(store: Store, digest: str) -> bool:
    with store.database.read() as db:
        return is_there(db, _rows(digest))


def misplaced(store: Store) -> int:
    """How many messages' bytes are not known to be where the settings say: with the database, all that are not there;
    with a folder, those in the database.
    """
    there = sa.exists().where(raw_mail.c.digest == mail.c.raw)
    wrong = sa.and_(mail.c.raw.is_not(None), ~there if store.raw.in_database else there)
    with store.database.read() as db:
        return int(db.execute(sa.select(sa.func.count(mail.c.raw.distinct())).where(wrong)).scalar_one())

"""Time entries as last read from Redmine.

Hours are integer units of 12 seconds, 300 per hour: minutes and hundredths of an hour, the two units that
Redmine's users enter, are both integer numbers of units, so that no sum is ever rounded.
"""

import datetime as dt
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.tables import time_entry
from redmine_mailbridge.util.dataclass import dataclass

UNITS_PER_HOUR = 300
"""Per hour."""


@dataclass(frozen=True, slots=True)
class TimeEntry:
    """One time entry. `issue` is None if it belongs to a project only; times in epoch seconds, UTC."""

    id: int
    issue: int | None
    project_id: int
    user_id: int
    user: str
    activity: str
    units_of_12s: int
    spent_on: dt.date
    created_on: float
    updated_on: float


@dataclass(frozen=True, slots=True)
class ReadPosition:
    """How far time entries have been read.

    `projects`: those whose entries are stored, None for all of Redmine. `swept`: the number after which the next
    sweep continues. `search`: the range of pages in which the copy first differs from Redmine, if a search was
    unfinished.
    """

    projects: tuple[int, ...] | None = ()
    complete: bool = False
    swept: int = 0
    search: tuple[int, int] | None = None

    def to_json(self) -> str:
        """The JSON form for the store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "ReadPosition":
        """Given the result of `to_json`, return the value."""
        stored = json.loads(text)
        projects, search = stored["projects"], stored["search"]
        return cls(
            projects=tuple(projects) if projects is not None else None,
            complete=stored["complete"],
            swept=int(stored["swept"]),
            search=(int(search[0]), int(search[1])) if search else None,
        )


class TimeEntries:
    """Stores time entries. Thread-safe; each method that changes something is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reading(self) -> ReadPosition:
        """How far time entries have been read."""
        with self._database.read() as db:
            text = Meta(db).get(_READING)
        return ReadPosition.from_json(text) if text else ReadPosition()

    def count(self) -> int:
        """How many are stored."""
        with self._database.read() as db:
            return int(db.execute(sa.select(sa.func.count()).select_from(time_entry)).scalar() or 0)

    def at(self, offset: int) -> int | None:
        """The id of the entry at this offset, by id; None after the last."""
        with self._database.read() as db:
            number = db.execute(sa.select(_ID).order_by(_ID).offset(offset).limit(1)).scalar()
        return None if number is None else int(number)

    def rank(self, number: int) -> int:
        """How many entries have an id up to this one."""
        with self._database.read() as db:
            query = sa.select(sa.func.count()).select_from(time_entry).where(number >= _ID)
            return int(db.execute(query).scalar() or 0)

    def between(self, first: int | None, last: int | None) -> dict[int, TimeEntry]:
        """The entries from one id to another, inclusive, by id; None: unbounded on that side."""
        query = sa.select(time_entry)
        if first is not None:
            query = query.where(first <= _ID)
        if last is not None:
            query = query.where(last >= _ID)
        with self._database.read() as db:
            return {row.id: _entry(row) for row in db.execute(query)}

    def entries(self) -> Iterator[TimeEntry]:
        """All entries of issues, in order."""
        with self._database.read() as db:
            for row in db.execute(sa.select(time_entry).where(time_entry.c.issue.is_not(None)).order_by(_ID)):
                yield _entry(row)

    def change(self, reading: ReadPosition, put: Sequence[TimeEntry] = (), remove: Collection[int] = ()) -> int:
        """Given current entries from Redmine, and deleted ids, store both, and how far was read.

        Return how many entries changed.
        """
        with side_effect(SideEffect.RECORD_HOURS), self._database.write() as db:
            changed = 0
            for some in chunks(sorted(remove)):
                changed += db.execute(sa.delete(time_entry).where(time_entry.c.id.in_(some))).rowcount
            for several in chunks(put):
                ids = [entry.id for entry in several]
                stored = {row.id: _entry(row) for row in db.execute(sa.select(time_entry).where(_ID.in_(ids)))}
                new = [entry for entry in several if stored.get(entry.id) != entry]
                if new:
                    upsert(db, time_entry, [_values(entry) for entry in new])
                changed += len(new)
            _set_reading(db, reading)
        return changed

    def replace_all(self, reading: ReadPosition, entries: Sequence[TimeEntry]) -> None:
        """Given all entries, store exactly these."""
        with side_effect(SideEffect.RECORD_HOURS), self._database.write() as db:
            db.execute(sa.delete(time_entry))
            for several in chunks(entries):
                upsert(db, time_entry, [_values(entry) for entry in several])
            _set_reading(db, reading)

    def keep_only(self, reading: ReadPosition) -> int:
        """Given a reading of fewer projects, delete the entries of the others. Return how many."""
        with side_effect(SideEffect.RECORD_HOURS), self._database.write() as db:
            gone = sa.delete(time_entry).where(time_entry.c.project_id.not_in(reading.projects or ()))
            forgotten = db.execute(gone).rowcount
            _set_reading(db, reading)
        return forgotten


_READING = "hours"
_ID = time_entry.c.id


def _values(entry: TimeEntry) -> dict[str, Any]:
    return asdict(entry) | {"spent_on": entry.spent_on.isoformat()}


def _entry(row: Any) -> TimeEntry:
    return TimeEntry(**(dict(row._mapping) | {"spent_on": dt.date.fromisoformat(row.spent_on)}))


def _set_reading(db: sa.Connection, reading: ReadPosition) -> None:
    Meta(db).put(_READING, reading.to_json())

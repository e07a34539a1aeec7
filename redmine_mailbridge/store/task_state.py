"""The state of the scheduled tasks: changes at run time, requested runs, and past runs.

The service polls one number, `revision`, to detect changes and requests by other processes.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_missing, upsert
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.tables import task_next, task_override, task_run, task_wish
from redmine_mailbridge.util.dataclass import dataclass

REVISION, STOPPED = "tasks-revision", "synchronisation-stopped"
KEPT_RUNS = 1000
"""How many runs of a task are stored."""


@dataclass(frozen=True, slots=True)
class Override:
    """The changes to a task at run time; None where the settings file applies. `every` in seconds.

    `next_run`: seconds since the epoch of a single requested run.
    """

    active: bool | None = None
    every: float | None = None
    cron: str | None = None
    next_run: float | None = None

    @property
    def nothing(self) -> bool:
        """Is nothing changed?"""
        return self == Override()


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One run of a task; times in seconds since the epoch. `skipped`: the previous one was still running.

    `planned_at` is None for a manually requested run; `ended_at` is None while it runs, or when it was
    killed.
    """

    id: int
    name: str
    planned_at: float | None
    began_at: float
    ended_at: float | None
    done: int
    failed: int
    skipped: bool
    error: str | None


class TaskState:
    """The tasks' part of the store. Safe for concurrent threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self.clock = clock

    # ------------------------------------------------------------------ changes at run time

    def revision(self) -> int:
        """A number that grows with each change, request, stop and start."""
        return int(self._value(REVISION) or 0)

    @property
    def stopped(self) -> bool:
        """Has an admin stopped the whole synchronisation?"""
        return self._value(STOPPED) is not None

    def stop(self) -> None:
        """Stop the whole synchronisation, until `start`; a restart of the service does not change that."""
        with side_effect(SideEffect.STEER), self._database.write() as db:
            Meta(db).add(STOPPED, str(self.clock()))
            self._changed(db)

    def start(self) -> None:
        """Resume it."""
        with side_effect(SideEffect.STEER), self._database.write() as db:
            Meta(db).remove(STOPPED)
            self._changed(db)

    def overrides(self) -> dict[str, Override]:
        """The changes at run time, by task."""
        with self._database.read() as db:
            rows = db.execute(sa.select(task_override)).all()
        return {row.name: Override(row.active, row.every, row.cron, row.next_run) for row in rows}

    def override(self, name: str, change: Callable[[Override], Override]) -> Override:
        """Given a task and its override, store it. Return it."""
        with side_effect(SideEffect.STEER), self._database.write() as db:
            row = db.execute(sa.select(task_override).where(task_override.c.name == name)).first()
            now = change(Override(row.active, row.every, row.cron, row.next_run) if row else Override())
            db.execute(sa.delete(task_override).where(task_override.c.name == name))
            if not now.nothing:
                values = {"active": now.active, "every": now.every, "cron": now.cron, "next_run": now.next_run}
                db.execute(sa.insert(task_override).values(name=name, changed_at=self.clock(), **values))
            self._changed(db)
        return now

    def next_run_came(self, name: str) -> None:
        """The requested run has started: from now on the task follows its schedule again."""
        if self.overrides().get(name, Override()).next_run is not None:
            self.override(name, lambda old: replace(old, next_run=None))

    def request_run(self, name: str) -> None:
        """Request a run now."""
        with side_effect(SideEffect.STEER), self._database.write() as db:
            insert_missing(db, task_wish, {"name": name, "at": self.clock()})
            self._changed(db)

    def take_requests(self) -> list[str]:
        """Claim the requests: no other process gets them."""
        with side_effect(SideEffect.STEER), self._database.write() as db:
            names = [row.name for row in db.execute(sa.select(task_wish).order_by(task_wish.c.at))]
            return [n for n in names if db.execute(sa.delete(task_wish).where(task_wish.c.name == n)).rowcount == 1]

    def _value(self, key: str) -> str | None:
        with self._database.read() as db:
            return Meta(db).get(key)

    def _changed(self, db: sa.Connection) -> None:
        Meta(db).count(REVISION)

    # ------------------------------------------------------------------ runs

    def begin(self, name: str, planned_at: float | None) -> int:
        """A run starts. Return its number."""
        return self._add(name=name, planned_at=planned_at, began_at=self.clock())

    def skip(self, name: str, planned_at: float | None, reason: str) -> None:
        """A planned run did not start."""
        now = self.clock()
        self._add(name=name, planned_at=planned_at, began_at=now, ended_at=now, skipped=True, error=reason)

    def _add(self, **values: Any) -> int:
        with side_effect(SideEffect.RECORD_STEP), self._database.write() as db:
            number = int(db.execute(sa.insert(task_run).values(values).returning(task_run.c.id)).scalar_one())
            name = values["name"]
            newest = sa.select(task_run.c.id).where(task_run.c.name == name).order_by(task_run.c.id.desc())
            last_kept = newest.offset(KEPT_RUNS).limit(1).scalar_subquery()
            db.execute(sa.delete(task_run).where(task_run.c.name == name, task_run.c.id <= last_kept))
        return number

    def end(self, run: int, *, done: int, failed: int, error: str | None) -> None:
        """A run has ended."""
        values = {"ended_at": self.clock(), "done": done, "failed": failed, "error": error}
        with side_effect(SideEffect.RECORD_STEP), self._database.write() as db:
            db.execute(sa.update(task_run).where(task_run.c.id == run).values(values))

    def runs(self, name: str, *, limit: int = 100) -> list[TaskRun]:
        """The runs of a task, newest first."""
        query = sa.select(task_run).where(task_run.c.name == name).order_by(task_run.c.id.desc()).limit(limit)
        with self._database.read() as db:
            return [TaskRun(**row._mapping) for row in db.execute(query)]

    def plan_next(self, name: str, at: float | None) -> None:
        """Record when a task runs next; None if it does not."""
        with side_effect(SideEffect.RECORD_STEP), self._database.write() as db:
            upsert(db, task_next, {"name": name, "at": at})

    def next_runs(self) -> dict[str, float | None]:
        """The recorded next run of each task."""
        with self._database.read() as db:
            return {row.name: row.at for row in db.execute(sa.select(task_next))}

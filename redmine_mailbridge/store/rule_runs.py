"""What automation rules have done: one row per rule, issue and trigger event, created before Redmine is changed.

    (no row) ──intend──▶ INTENDED ──wrote──▶ WRITTEN ──finish──▶ DONE
        ▲                  │    └──────────────fail─────────────▶ FAILED
        └────withdraw──────┘

INTENDED: the change may be in Redmine; recovery checks that first. WRITTEN: it is there, its message may be missing.
DONE and FAILED are final: the rule does not act for this event again.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from enum import StrEnum

import sqlalchemy as sa

from redmine_mailbridge.policy.time_rules.due import RuleMatch
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_if_missing
from redmine_mailbridge.store.intake_limits import IntakeStops
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.tables import applied, step
from redmine_mailbridge.util.dataclass import dataclass

ALL_DUE = 10**9
"""The maximum number of due issues: what a release allows."""


class Stage(StrEnum):
    """The state of a run; see the diagram above."""

    INTENDED = "intended"
    WRITTEN = "written"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class RuleRun:
    """One row. `request` is the change to Redmine in JSON, None if there is none; its result is a journal
    above `after_journal`. Times in seconds since the epoch, UTC.
    """

    rule: str
    issue: int
    trigger_event: int
    state: Stage
    due_at: float
    reason: str
    request: str | None
    after_journal: int
    sent_at: float
    changed_at: float
    journal: int | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Tally:
    """The runs of a rule so far: how many, how many failed, and when last."""

    done: int = 0
    failed: int = 0
    last: float | None = None


class RuleRuns:
    """Stores runs. Safe for concurrent threads and processes; every transition checks the row's current state."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._database = database
        self._brake = IntakeStops(database, "rule-")

    # ------------------------------------------------------------------ read

    def trigger_events(self, rule: str) -> set[tuple[int, int]]:
        """The issues and trigger events for which a rule has acted, or is about to."""
        query = sa.select(applied.c.issue, applied.c.trigger_event).where(applied.c.rule == rule)
        with self._database.read() as db:
            return {(row.issue, row.trigger_event) for row in db.execute(query)}

    def open(self) -> list[RuleRun]:
        """The unfinished runs, oldest first."""
        unfinished = (Stage.INTENDED, Stage.WRITTEN)
        return self._rows(sa.select(applied).where(applied.c.state.in_(unfinished)).order_by(applied.c.sent_at))

    def tallies(self) -> dict[str, Tally]:
        """The runs of each rule so far, by name."""
        columns = (applied.c.rule, applied.c.state, sa.func.count(), sa.func.max(applied.c.changed_at))
        tallies: dict[str, Tally] = {}
        with self._database.read() as db:
            for rule, state, count, last in db.execute(sa.select(*columns).group_by(applied.c.rule, applied.c.state)):
                before = tallies.get(rule, Tally())
                failed = count if state == Stage.FAILED else 0
                newest = max(last, before.last or last)
                tallies[rule] = Tally(before.done + count - failed, before.failed + failed, newest)
        return tallies

    def released(self, rule: str) -> bool:
        """Has an admin resumed a rule that was paused at its `max_issues`?"""
        return self._brake.released(rule) is not None

    def _rows(self, query: sa.Select[tuple[object, ...]]) -> list[RuleRun]:
        with self._database.read() as db:
            rows = [dict(row._mapping) for row in db.execute(query)]
        return [RuleRun(**(row | {"state": Stage(row["state"])})) for row in rows]

    # ------------------------------------------------------------------ write

    def intend(self, match: RuleMatch, request: str | None, after_journal: int) -> RuleRun | None:
        """Given a due match and the change to make, store the intent. None if another process has done so before."""
        row = self._row(match, Stage.WRITTEN if request is None else Stage.INTENDED, request, after_journal)
        with side_effect(SideEffect.INTEND_RULE), self._database.write() as db:
            return row if self._is_new(db, row) else None

    def refuse(self, match: RuleMatch, mail_id: int | None, line: str) -> None:
        """A due match cannot be executed, before anything was requested of Redmine."""
        row = self._row(match, Stage.FAILED, None, 0, line)
        with side_effect(SideEffect.RECORD_RULE), self._database.write() as db:
            if self._is_new(db, row):
                write_steps(db, mail_id, (line,), row.changed_at)

    def _row(
        self, match: RuleMatch, state: Stage, request: str | None, after_journal: int, outcome: str | None = None
    ) -> RuleRun:
        now = self.clock()
        return RuleRun(
            match.rule, match.issue, match.trigger_event, state, match.at, match.reason, request, after_journal,
            now, now,
            None, outcome,
        )  # fmt: skip

    def _is_new(self, db: sa.Connection, row: RuleRun) -> bool:
        values = {column.name: getattr(row, column.name) for column in applied.c}
        return insert_if_missing(db, applied, values)

    def withdraw(self, row: RuleRun) -> None:
        """It was not written, and will not be: whether the rule is due is decided again."""
        with side_effect(SideEffect.RECORD_RULE), self._database.write() as db:
            db.execute(sa.delete(applied).where(*_is(row), applied.c.state == Stage.INTENDED))

    def rewrite(self, row: RuleRun, request: str) -> None:
        """Replace the text of the stored change: the request that was sent is unchanged."""
        with side_effect(SideEffect.RECORD_RULE), self._database.write() as db:
            db.execute(sa.update(applied).where(*_is(row), applied.c.state == Stage.INTENDED).values(request=request))

    def wrote(self, row: RuleRun, journal: int | None, mail_id: int | None, lines: Sequence[str]) -> RuleRun:
        """The change is in Redmine, as this journal; the lines are added to the history of the message that created the
        issue."""
        self._move(row, Stage.INTENDED, Stage.WRITTEN, mail_id, lines, journal=journal)
        return replace(row, state=Stage.WRITTEN, journal=journal, outcome="; ".join(lines))

    def finish(self, row: RuleRun, mail_id: int | None, lines: Sequence[str]) -> None:
        """The run is complete; the lines are added to the history, except those already written with its message."""
        recorded = sa.select(step.c.line).where(step.c.mail_id == mail_id, step.c.at >= row.sent_at)
        with self._database.read() as db:
            known = {line for (line,) in db.execute(recorded)}
        self._move(row, Stage.WRITTEN, Stage.DONE, mail_id, lines, known=known)

    def fail(self, row: RuleRun, mail_id: int | None, line: str) -> None:
        """Redmine permanently rejects it: the rule does not retry for this event, until `forget_failed`."""
        self._move(row, Stage.INTENDED, Stage.FAILED, mail_id, [line])

    def _move(
        self,
        row: RuleRun,
        before: Stage,
        after: Stage,
        mail_id: int | None,
        lines: Sequence[str],
        *,
        journal: int | None = None,
        known: Collection[str] = (),
    ) -> None:
        now = self.clock()
        outcome = "; ".join(filter(None, (row.outcome, *lines))) or None
        values: dict[str, object] = {"state": after, "changed_at": now, "outcome": outcome}
        if journal is not None:
            values["journal"] = journal
        with side_effect(SideEffect.RECORD_RULE), self._database.write() as db:
            moved = db.execute(sa.update(applied).where(*_is(row), applied.c.state == before).values(values)).rowcount
            if moved == 1:
                write_steps(db, mail_id, [line for line in lines if line not in known], now)

    def forget_failed(self, rule: str) -> int:
        """An admin has fixed what Redmine rejected: the rule may retry. Return on how many issues."""
        with side_effect(SideEffect.RECORD_RULE), self._database.write() as db:
            gone = sa.delete(applied).where(applied.c.rule == rule, applied.c.state == Stage.FAILED)
            return db.execute(gone).rowcount

    def stop(self, rule: str, number: int = 1) -> None:
        """A rule is paused at its `max_issues`: it is due for this many issues."""
        self._brake.stop(rule, number)

    def release(self, rule: str) -> bool:
        """An admin resumes a rule that was paused at its `max_issues`. Return False, and release nothing, if it was not
        stopped.
        """
        return self._brake.release(rule, ALL_DUE) is not None

    def end_stop(self, rule: str) -> None:
        """The rule has resumed: the next time too much is due, it is paused again."""
        self._brake.end(rule)


def _is(row: RuleRun) -> tuple[sa.ColumnElement[bool], ...]:
    return applied.c.rule == row.rule, applied.c.issue == row.issue, applied.c.trigger_event == row.trigger_event

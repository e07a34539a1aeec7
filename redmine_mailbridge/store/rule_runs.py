"""What rules of time have done: one row for each rule, issue and anchor, made before anything is changed in Redmine.

    (no row) ──intend──▶ INTENDED ──wrote──▶ WRITTEN ──finish──▶ DONE
        ▲                  │    └──────────────fail─────────────▶ FAILED
        └────withdraw──────┘

INTENDED: the change may be in Redmine; who finds it looks there first. WRITTEN: it is there, its mail may be missing.
DONE and FAILED are for good: the rule does not act for this anchor again.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import sqlalchemy as sa

from redmine_mailbridge.policy.time_rules.due import Application
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_if_missing
from redmine_mailbridge.store.intake_limits import Brake
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.tables import applied, step

ALL_DUE = 10**9
"""As many issues as a rule may be due for: what a release lets pass."""


class Stage(StrEnum):
    """How far an application is; see the picture above."""

    INTENDED = "intended"
    WRITTEN = "written"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Applied:
    """One row. `request` is the change to Redmine in JSON, None when there is none to make; what it made is a journal
    above `after_journal`. Times in seconds since the epoch, UTC.
    """

    rule: str
    issue: int
    anchor: int
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
    """What a rule has done so far: how often, how often it could not, and when last."""

    done: int = 0
    failed: int = 0
    last: float | None = None


class Applications:
    """Remembers. Safe for many threads and processes; every change of state must find the row as it was."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._database = database
        self._brake = Brake(database, "rule-")

    # ------------------------------------------------------------------ read

    def anchors(self, rule: str) -> set[tuple[int, int]]:
        """The issues and anchors for which a rule has acted, or is about to."""
        query = sa.select(applied.c.issue, applied.c.anchor).where(applied.c.rule == rule)
        with self._database.read() as db:
            return {(row.issue, row.anchor) for row in db.execute(query)}

    def open(self) -> list[Applied]:
        """The applications that are not at their end, oldest first."""
        wanted = (Stage.INTENDED, Stage.WRITTEN)
        return self._rows(sa.select(applied).where(applied.c.state.in_(wanted)).order_by(applied.c.sent_at))

    def tallies(self) -> dict[str, Tally]:
        """What each rule has done so far, by name."""
        columns = (applied.c.rule, applied.c.state, sa.func.count(), sa.func.max(applied.c.changed_at))
        found: dict[str, Tally] = {}
        with self._database.read() as db:
            for rule, state, count, last in db.execute(sa.select(*columns).group_by(applied.c.rule, applied.c.state)):
                before = found.get(rule, Tally())
                failed = count if state == Stage.FAILED else 0
                newest = max(last, before.last or last)
                found[rule] = Tally(before.done + count - failed, before.failed + failed, newest)
        return found

    def released(self, rule: str) -> bool:
        """Has an admin let a rule go on that stopped at its `at_most`?"""
        return self._brake.released(rule) is not None

    def _rows(self, query: sa.Select[tuple[object, ...]]) -> list[Applied]:
        with self._database.read() as db:
            rows = [dict(row._mapping) for row in db.execute(query)]
        return [Applied(**(row | {"state": Stage(row["state"])})) for row in rows]

    # ------------------------------------------------------------------ write

    def intend(self, found: Application, request: str | None, after_journal: int) -> Applied | None:
        """Given what is due and the change to make, record the intent. None when somebody else has done so before."""
        row = self._row(found, Stage.WRITTEN if request is None else Stage.INTENDED, request, after_journal)
        with effect(Effect.INTEND_RULE), self._database.write() as db:
            return row if self._is_new(db, row) else None

    def refuse(self, found: Application, mail_id: int, line: str) -> None:
        """What is due cannot be done, before anything was asked of Redmine."""
        row = self._row(found, Stage.FAILED, None, 0, line)
        with effect(Effect.RECORD_RULE), self._database.write() as db:
            if self._is_new(db, row):
                write_steps(db, mail_id, (line,), row.changed_at)

    def _row(
        self, found: Application, state: Stage, request: str | None, after_journal: int, outcome: str | None = None
    ) -> Applied:
        now = self.clock()
        return Applied(
            found.rule, found.issue, found.anchor, state, found.at, found.reason, request, after_journal, now, now,
            None, outcome,
        )  # fmt: skip

    def _is_new(self, db: sa.Connection, row: Applied) -> bool:
        values = {column.name: getattr(row, column.name) for column in applied.c}
        return insert_if_missing(db, applied, values)

    def withdraw(self, row: Applied) -> None:
        """It was not written, and will not be: whether the rule is due is asked anew."""
        with effect(Effect.RECORD_RULE), self._database.write() as db:
            db.execute(sa.delete(applied).where(*_is(row), applied.c.state == Stage.INTENDED))

    def rewrite(self, row: Applied, request: str) -> None:
        """Put another text of the change in the place of the one that is noted: what was sent is the same."""
        with effect(Effect.RECORD_RULE), self._database.write() as db:
            db.execute(sa.update(applied).where(*_is(row), applied.c.state == Stage.INTENDED).values(request=request))

    def wrote(self, row: Applied, journal: int | None, mail_id: int, lines: Sequence[str]) -> Applied:
        """The change is in Redmine, as this journal; the lines go to the record of the mail that made the issue."""
        self._move(row, Stage.INTENDED, Stage.WRITTEN, mail_id, lines, journal=journal)
        return replace(row, state=Stage.WRITTEN, journal=journal, outcome="; ".join(lines))

    def finish(self, row: Applied, mail_id: int, lines: Sequence[str]) -> None:
        """All is done; the lines are added to the record, but for those that whoever queued its mail has written."""
        told = sa.select(step.c.line).where(step.c.mail_id == mail_id, step.c.at >= row.sent_at)
        with self._database.read() as db:
            known = {line for (line,) in db.execute(told)}
        self._move(row, Stage.WRITTEN, Stage.DONE, mail_id, lines, known=known)

    def fail(self, row: Applied, mail_id: int, line: str) -> None:
        """Redmine refuses for good: the rule does not try again for this anchor, until `forget_failed`."""
        self._move(row, Stage.INTENDED, Stage.FAILED, mail_id, [line])

    def _move(
        self,
        row: Applied,
        before: Stage,
        after: Stage,
        mail_id: int,
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
        with effect(Effect.RECORD_RULE), self._database.write() as db:
            moved = db.execute(sa.update(applied).where(*_is(row), applied.c.state == before).values(values)).rowcount
            if moved == 1:
                write_steps(db, mail_id, [line for line in lines if line not in known], now)

    def forget_failed(self, rule: str) -> int:
        """An admin has mended what Redmine refused: the rule may try again. Return on how many issues."""
        with effect(Effect.RECORD_RULE), self._database.write() as db:
            gone = sa.delete(applied).where(applied.c.rule == rule, applied.c.state == Stage.FAILED)
            return db.execute(gone).rowcount

    def stop(self, rule: str, number: int = 1) -> None:
        """A rule has stopped at its `at_most`, and asks: it is due for so many issues."""
        self._brake.stop(rule, number)

    def release(self, rule: str) -> bool:
        """An admin lets a rule go on that stopped at its `at_most`. Return False, and nothing is released, when it has
        not stopped.
        """
        return self._brake.release(rule, ALL_DUE) is not None

    def end_stop(self, rule: str) -> None:
        """It went on: the next time that very much is due, it stops again."""
        self._brake.end(rule)


def _is(row: Applied) -> tuple[sa.ColumnElement[bool], ...]:
    return applied.c.rule == row.rule, applied.c.issue == row.issue, applied.c.anchor == row.anchor

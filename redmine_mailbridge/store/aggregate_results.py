"""Values computed for issues, values written to Redmine, and budget warnings that were sent."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.due import within
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.tables import budget_warning, field_written, figure, mail, outbox
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class IssueFigures:
    """The values computed for one issue. Spans in seconds, None if it has not happened (yet)."""

    issue: int
    units_of_12s: int
    first_answer: float | None
    first_answer_business: float | None
    resolution: float | None
    resolution_business: float | None
    mails_in: int
    mails_out: int
    reopened: int


class AggregateResults:
    """Stores computed values. Thread-safe; each method that changes something is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[int, IssueFigures]:
        """The computed values of each issue."""
        names = [figure.c[f.name] for f in fields(IssueFigures)]
        with self._database.read() as db:
            return {row.issue: IssueFigures(*row) for row in db.execute(sa.select(*names))}

    def put(self, figures: Sequence[IssueFigures], remove: Collection[int], now: float) -> None:
        """Given new values, and issues that no longer exist, store both."""
        with side_effect(SideEffect.RECORD_HOURS), self._database.write() as db:
            for some in chunks(sorted(remove)):
                db.execute(sa.delete(figure).where(figure.c.issue.in_(some)))
            for several in chunks(figures):
                upsert(db, figure, [asdict(counts) | {"computed_at": now} for counts in several])

    def written(self, kind: str, now: float, *, refused_within: float) -> dict[tuple[int, str], str]:
        """The values last written to the custom fields of this kind of object ("issue", "project"), by id and field.

        Values that were not rejected within the last `refused_within` seconds are left out: it is time to retry.
        """
        counts = sa.or_(field_written.c.refused.is_(None), within(field_written.c.at, now, refused_within))
        query = sa.select(field_written).where(field_written.c.kind == kind, counts)
        with self._database.read() as db:
            return {(row.of, row.field): row.value for row in db.execute(query)}

    def put_written(
        self, kind: str, of: int, values: Mapping[str, str], refused: Mapping[str, str], now: float
    ) -> None:
        """Given values written to the fields of one object, and reasons for rejected ones, store both."""
        rows = [
            {"kind": kind, "of": of, "field": name, "value": value, "at": now, "refused": refused.get(name)}
            for name, value in values.items()
        ]
        with side_effect(SideEffect.RECORD_HOURS), self._database.write() as db:
            upsert(db, field_written, rows)

    def refused(self) -> list[str]:
        """Why custom fields rejected values, one line each."""
        refused = sa.and_(field_written.c.refused.is_not(None), field_written.c.kind.in_(["issue", "project"]))
        query = sa.select(field_written).where(refused).order_by(field_written.c.at)
        with self._database.read() as db:
            return [f"{row.kind} {row.of}, {row.field}: {row.refused}" for row in db.execute(query)]

    def mails_in(self) -> list[tuple[int, float]]:
        """The messages that became an issue or a note: issue and time of arrival, in epoch seconds."""
        query = sa.select(mail.c.issue, sa.func.coalesce(mail.c.received_at, mail.c.kept_at))
        made = sa.or_(mail.c.created_issue.is_not(None), mail.c.journal.is_not(None))
        with self._database.read() as db:
            return [(row[0], float(row[1])) for row in db.execute(query.where(mail.c.issue.is_not(None), made))]

    def ignored(self) -> list[tuple[str, float]]:
        """The messages that were ignored by decision: mailbox and time of arrival, in epoch seconds."""
        query = sa.select(mail.c.mailbox, sa.func.coalesce(mail.c.received_at, mail.c.kept_at))
        with self._database.read() as db:
            rows = db.execute(query.where(mail.c.state == State.DONE, mail.c.issue.is_(None)))
            return [(row[0], float(row[1])) for row in rows]

    def mails_out(self) -> list[tuple[int, float]]:
        """The messages sent about an issue: issue and time, in epoch seconds."""
        query = sa.select(outbox.c.issue, outbox.c.sent_at)
        with self._database.read() as db:
            rows = db.execute(query.where(outbox.c.issue.is_not(None), outbox.c.sent_at.is_not(None)))
            return [(row[0], float(row[1])) for row in rows]

    def closing(self) -> frozenset[str]:
        """The lower-case names of the closed statuses, as last known."""
        with self._database.read() as db:
            text = Meta(db).get(_CLOSING)
        return frozenset(json.loads(text)) if text else frozenset()

    def put_closing(self, names: Collection[str]) -> None:
        """Remember them."""
        with side_effect(SideEffect.RECORD_HOURS), self._database.write() as db:
            Meta(db).put(_CLOSING, json.dumps(sorted(names)))

    def warned(self) -> frozenset[tuple[str, str, int]]:
        """The thresholds with a warning already sent: budget, period, percent."""
        query = sa.select(budget_warning.c.budget, budget_warning.c.period, budget_warning.c.threshold)
        with self._database.read() as db:
            return frozenset((row.budget, row.period, row.threshold) for row in db.execute(query))

    def put_warned(self, budget: str, period: str, thresholds: Sequence[int], line: str, now: float) -> None:
        """Record that a warning was sent for these thresholds."""
        rows = [
            {"budget": budget, "period": period, "threshold": threshold, "at": now, "line": line}
            for threshold in thresholds
        ]
        with side_effect(SideEffect.RECORD_HOURS), self._database.write() as db:
            upsert(db, budget_warning, rows)


_CLOSING = "closing_statuses"

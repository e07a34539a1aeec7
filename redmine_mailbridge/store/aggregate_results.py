"""What was computed of issues, what of it was written to Redmine, and which warnings of budgets went out."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.due import within
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.tables import budget_warning, field_written, figure, mail, outbox


@dataclass(frozen=True, slots=True)
class Figure:
    """What is computed of one issue. Spans in seconds, None where it has not happened (yet)."""

    issue: int
    ticks: int
    first_answer: float | None
    first_answer_business: float | None
    resolution: float | None
    resolution_business: float | None
    mails_in: int
    mails_out: int
    reopened: int


class Results:
    """Keeps what was computed. Safe for many threads; each method that changes something is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[int, Figure]:
        """What was computed of each issue."""
        names = [figure.c[f.name] for f in fields(Figure)]
        with self._database.read() as db:
            return {row.issue: Figure(*row) for row in db.execute(sa.select(*names))}

    def put(self, figures: Sequence[Figure], remove: Collection[int], now: float) -> None:
        """Given new figures, and issues that are gone, take both over."""
        with effect(Effect.RECORD_HOURS), self._database.write() as db:
            for some in chunks(sorted(remove)):
                db.execute(sa.delete(figure).where(figure.c.issue.in_(some)))
            for several in chunks(figures):
                upsert(db, figure, [asdict(one) | {"computed_at": now} for one in several])

    def written(self, kind: str, now: float, *, refused_within: float) -> dict[tuple[int, str], str]:
        """What was last written to the custom fields of this kind of thing ("issue", "project"), by id and field.

        What was not refused within the last `refused_within` seconds is left out: it is time to try again.
        """
        counts = sa.or_(field_written.c.refused.is_(None), within(field_written.c.at, now, refused_within))
        query = sa.select(field_written).where(field_written.c.kind == kind, counts)
        with self._database.read() as db:
            return {(row.of, row.field): row.value for row in db.execute(query)}

    def put_written(
        self, kind: str, of: int, values: Mapping[str, str], refused: Mapping[str, str], now: float
    ) -> None:
        """Given what was written to the fields of one thing, and why some did not take it, remember both."""
        rows = [
            {"kind": kind, "of": of, "field": name, "value": value, "at": now, "refused": refused.get(name)}
            for name, value in values.items()
        ]
        with effect(Effect.RECORD_HOURS), self._database.write() as db:
            upsert(db, field_written, rows)

    def refused(self) -> list[str]:
        """Why custom fields did not take what was written, a line each."""
        query = sa.select(field_written).where(field_written.c.refused.is_not(None)).order_by(field_written.c.at)
        with self._database.read() as db:
            return [f"{row.kind} {row.of}, {row.field}: {row.refused}" for row in db.execute(query)]

    def mails_in(self) -> list[tuple[int, float]]:
        """The mails that became an issue or a note: its issue, and when the mail came, in epoch seconds."""
        query = sa.select(mail.c.issue, sa.func.coalesce(mail.c.received_at, mail.c.kept_at))
        made = sa.or_(mail.c.created_issue.is_not(None), mail.c.journal.is_not(None))
        with self._database.read() as db:
            return [(row[0], float(row[1])) for row in db.execute(query.where(mail.c.issue.is_not(None), made))]

    def ignored(self) -> list[tuple[str, float]]:
        """The mails of which nothing was made, by decision: its mailbox, and when the mail came, in epoch seconds."""
        query = sa.select(mail.c.mailbox, sa.func.coalesce(mail.c.received_at, mail.c.kept_at))
        with self._database.read() as db:
            found = db.execute(query.where(mail.c.state == State.DONE, mail.c.issue.is_(None)))
            return [(row[0], float(row[1])) for row in found]

    def mails_out(self) -> list[tuple[int, float]]:
        """The mails that went out about an issue: it, and when, in epoch seconds."""
        query = sa.select(outbox.c.issue, outbox.c.sent_at)
        with self._database.read() as db:
            found = db.execute(query.where(outbox.c.issue.is_not(None), outbox.c.sent_at.is_not(None)))
            return [(row[0], float(row[1])) for row in found]

    def closing(self) -> frozenset[str]:
        """The lower-case names of the statuses that close an issue, as they were last known."""
        with self._database.read() as db:
            text = Meta(db).get(_CLOSING)
        return frozenset(json.loads(text)) if text else frozenset()

    def put_closing(self, names: Collection[str]) -> None:
        """Remember them."""
        with effect(Effect.RECORD_HOURS), self._database.write() as db:
            Meta(db).put(_CLOSING, json.dumps(sorted(names)))

    def warned(self) -> frozenset[tuple[str, str, int]]:
        """Of which thresholds was told already: budget, period, percent."""
        query = sa.select(budget_warning.c.budget, budget_warning.c.period, budget_warning.c.threshold)
        with self._database.read() as db:
            return frozenset((row.budget, row.period, row.threshold) for row in db.execute(query))

    def put_warned(self, budget: str, period: str, thresholds: Sequence[int], line: str, now: float) -> None:
        """Remember that it was told of these thresholds."""
        rows = [{"budget": budget, "period": period, "threshold": one, "at": now, "line": line} for one in thresholds]
        with effect(Effect.RECORD_HOURS), self._database.write() as db:
            upsert(db, budget_warning, rows)


_CLOSING = "closing_statuses"

"""What became of the agents' notes that were mailed about an issue, and what the issue says of it so far.

The outbox is the record of the mails. `field_written` holds what the issue's custom field says; the mark `report_due`
of a mail says that its issue is to be updated in a request of its own, and is set in the transaction that records that
it was sent.
"""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from redmine_mailbridge.mail.message_ids import THIRD_PARTY
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import is_there, upsert
from redmine_mailbridge.store.due import within
from redmine_mailbridge.store.notices import HELD, NewNotice, notify
from redmine_mailbridge.store.outgoing.adding import NewAnswer, counter
from redmine_mailbridge.store.outgoing.rows import QUEUED
from redmine_mailbridge.store.tables import answer, field_written, journal, notice, outbox
from redmine_mailbridge.util.dataclass import dataclass

ANSWER = "answer"
"""The kind of mail that contains an agent's note, and the kind of object in `field_written`."""
NEWEST = 500
"""How many rows of an issue are looked at: those of its newest mails."""
MINUTE, MINUTES_A_DAY = 60.0, 1440
REFUSED_WITHIN = 86_400.0
"""Seconds after which a field that did not take its value is written again: an admin may have changed it."""


@dataclass(frozen=True, slots=True)
class MailedAnswer:
    """An agent's note to one recipient. Times in seconds since the epoch, UTC; `sent_at` is None unless the server has
    accepted it.
    """

    id: int
    mail_id: int | None
    mailbox: str
    issue: int
    message_id: str
    recipient: str
    state: str
    created_at: float
    sent_at: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class WrittenField:
    """The value last written to an issue's field. `refused`: Redmine did not take it, within the last day."""

    value: str
    refused: bool


_COLUMNS = (
    outbox.c.id, outbox.c.mail_id, outbox.c.mailbox, outbox.c.issue, outbox.c.message_id, outbox.c.recipient,
    outbox.c.state, outbox.c.created_at, outbox.c.sent_at, outbox.c.reason,
)  # fmt: skip


class MailedAnswers:
    """Reads and records them. Safe for concurrent threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self.clock = clock

    def of_issue(self, issue: int) -> list[MailedAnswer]:
        """The mails about an issue that contain an agent's note, newest first."""
        return self._rows(outbox.c.issue == issue, limit=NEWEST)

    def limited(self, reason: str, *, seconds: float) -> list[MailedAnswer]:
        """The mails that have waited for so many seconds, the last time for this reason, oldest first: those to third
        parties, too.
        """
        over = ~within(outbox.c.created_at, self.clock(), seconds)
        return self._rows(
            outbox.c.state == QUEUED, outbox.c.reason == reason, over, limit=NEWEST, kinds=(ANSWER, THIRD_PARTY)
        )[::-1]

    def due(self) -> list[MailedAnswer]:
        """The mails of which their issues do not know yet that they were sent, oldest first."""
        return self._rows(outbox.c.report_due.is_(True), limit=NEWEST)[::-1]

    def _rows(
        self, *conditions: sa.ColumnElement[bool], limit: int, kinds: Sequence[str] = (ANSWER,)
    ) -> list[MailedAnswer]:
        query = sa.select(*_COLUMNS).where(outbox.c.kind.in_(kinds), outbox.c.issue.is_not(None), *conditions)
        with self._database.read() as db:
            rows = db.execute(query.order_by(outbox.c.id.desc()).limit(limit))
            return [MailedAnswer(**row._mapping) for row in rows]

    def reported(self, answers: Sequence[MailedAnswer], notices: Sequence[NewNotice] = ()) -> None:
        """Given at least one mail, all about one issue: it knows of them, or will by the notices, which are stored in
        the same transaction.
        """
        now, first, ids = self.clock(), answers[0], [row.id for row in answers]
        with side_effect(SideEffect.RECORD_SENT), self._database.write() as db:
            notify(db, first.issue, first.mail_id, notices, now)
            db.execute(sa.update(outbox).where(outbox.c.id.in_(ids)).values(report_due=False))

    def a_note_is_held(self, issue: int) -> bool:
        """Whether a note of the issue waits for a rate limit, and the issue has a notice about it. A note that is
        private now, or was deleted, waits no more.
        """
        key = sa.literal(HELD) + sa.cast(journal.c.id, sa.Text)
        public = sa.exists().where(journal.c.issue == issue, journal.c.private.is_(False), notice.c.key == key)
        key = sa.literal(HELD) + sa.cast(answer.c.journal, sa.Text)
        decided = sa.exists().where(answer.c.issue == issue, notice.c.key == key)
        held = sa.select(notice.c.id).where(notice.c.issue == issue, notice.c.key.startswith(HELD), public, ~decided)
        with self._database.read() as db:
            return is_there(db, held)

    def allowed_from(self, mail: NewAnswer) -> float:
        """Given a mail that a rate limit defers, return when the limits will allow it, to the minute, in seconds since
        the epoch, if no other is sent before.
        """
        now = self.clock()
        early, late = 0, MINUTES_A_DAY + 1
        with self._database.read() as db:
            while early < late:
                minutes = (early + late) // 2
                if mail.why_not(counter(db, mail, now + minutes * MINUTE)) is None:
                    late = minutes
                else:
                    early = minutes + 1
        return now + early * MINUTE

    def limit_ends(self, mailboxes: Sequence[str], seconds: float, most: int) -> float | None:
        """Given the mailboxes that send by one account and its limit of `most` messages within seconds, return when it
        allows another one; None if it does now.
        """
        now = self.clock()
        sent = sa.and_(outbox.c.mailbox.in_(mailboxes), within(outbox.c.sent_at, now, seconds))
        query = sa.select(outbox.c.sent_at).where(sent).order_by(outbox.c.sent_at.desc()).offset(most - 1).limit(1)
        with self._database.read() as db:
            at = db.execute(query).scalar()
        return None if at is None else float(at) + seconds

    def written(self, issue: int, field: str) -> WrittenField | None:
        """What was last written to an issue's field; None if nothing was."""
        query = sa.select(field_written).where(
            field_written.c.kind == ANSWER, field_written.c.of == issue, field_written.c.field == field
        )
        with self._database.read() as db:
            row = db.execute(query).first()
        if row is None:
            return None
        lately = -REFUSED_WITHIN < row.at - self.clock() <= MINUTE
        return WrittenField(row.value, refused=row.refused is not None and lately)

    def put_written(self, issue: int, field: str, value: str, refused: str | None = None) -> None:
        """An issue's field has this value, or did not take it, and why."""
        row = {"kind": ANSWER, "of": issue, "field": field, "value": value, "at": self.clock(), "refused": refused}
        with side_effect(SideEffect.RECORD_SENT), self._database.write() as db:
            upsert(db, field_written, row)

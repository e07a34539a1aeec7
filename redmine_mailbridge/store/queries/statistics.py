"""Statistics over messages: how many wait, are held or failed, and how many arrived on each day."""

import datetime as dt
import time
from collections.abc import Callable, Collection
from typing import ClassVar

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN, State
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.outgoing.rows import FAILED, QUEUED, SENT
from redmine_mailbridge.store.tables import mail, outbox
from redmine_mailbridge.util.dataclass import dataclass

FRESH = 30.0
"""Seconds for which the histogram of latencies is valid."""
UNDONE = tuple(state for state in State if state is not State.DONE)
"""Few mails among very many: an index finds those in one of these states, and only reads all for those not in one."""
BUCKET = 900
"""Seconds: days of every time zone are multiples of a quarter of an hour."""


@dataclass(slots=True)
class Day:
    """The messages that arrived on one day, by their state."""

    day: dt.date
    done: int = 0
    ignored: int = 0
    failed: int = 0
    held: int = 0
    waiting: int = 0

    @property
    def total(self) -> int:
        """The total."""
        return self.done + self.ignored + self.failed + self.held + self.waiting


@dataclass(frozen=True, slots=True)
class MailboxCounts:
    """The unresolved messages of a mailbox: times in epoch seconds."""

    waiting: int
    held: int
    rejected: int
    failed: int
    last_mail: float | None


@dataclass(frozen=True, slots=True)
class Ignored:
    """How many messages of a mailbox were ignored for one reason."""

    mailbox: str
    reason: str
    mails: int


@dataclass(frozen=True, slots=True)
class OutboxCounts:
    """The outgoing queue of one mailbox: waiting, failed, and sent within 24 hours; the time of the oldest."""

    waiting: int
    failed: int
    sent_today: int
    oldest: float | None


@dataclass(frozen=True, slots=True)
class Latencies:
    """A histogram: how many took at most each of BOUNDS (seconds), the count, and the sum in seconds."""

    BOUNDS: ClassVar = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)

    within: tuple[int, ...]
    count: int
    seconds: float


class Statistics:
    """Computes statistics; read-only."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._latencies: tuple[float, Latencies] | None = None

    def mailbox_counts(self, mailboxes: Collection[str]) -> dict[str, MailboxCounts]:
        """Given mailboxes, return what waits and what failed in each."""
        query = sa.select(mail.c.mailbox, mail.c.state, sa.func.count()).where(mail.c.state.in_(UNDONE))
        counts: dict[str, dict[str, int]] = {}
        with self._database.read() as db:
            for mailbox, state, number in db.execute(query.group_by(mail.c.mailbox, mail.c.state)):
                counts.setdefault(mailbox, {})[state] = number
            latest = {
                name: db.execute(sa.select(sa.func.max(mail.c.kept_at)).where(mail.c.mailbox == name)).scalar()
                for name in mailboxes
            }
        by_mailbox = {}
        for name in mailboxes:
            of = counts.get(name, {})
            by_mailbox[name] = MailboxCounts(
                of.get(State.STORED, 0) + of.get(State.WRITE_PENDING, 0),
                of.get(State.HELD, 0),
                of.get(State.REJECTED, 0),
                of.get(State.FAILED, 0),
                latest[name],
            )
        return by_mailbox

    def days(self, mailboxes: Collection[str], today: dt.date, zone: dt.tzinfo, number: int = 14) -> list[Day]:
        """Given a day and a time zone, return what arrived on it and on the days before it, oldest first."""
        days = {day: Day(day) for day in (today - dt.timedelta(days=back) for back in range(number - 1, -1, -1))}
        since = dt.datetime.combine(next(iter(days)), dt.time(), tzinfo=zone).timestamp()
        bucket = sa.cast(sa.func.floor(mail.c.kept_at / BUCKET), sa.Integer)
        made = mail.c.issue.is_not(None)
        query = sa.select(bucket, mail.c.state, made, sa.func.count()).where(
            mail.c.mailbox.in_(mailboxes), mail.c.kept_at >= since
        )
        with self._database.read() as db:
            for at, state, has_issue, count in db.execute(query.group_by(bucket, mail.c.state, made)):
                day = days.get(dt.datetime.fromtimestamp(at * BUCKET, zone).date())
                if day is None:
                    continue
                if state == State.DONE:
                    day.done += count if has_issue else 0
                    day.ignored += 0 if has_issue else count
                elif state in OPEN:
                    day.waiting += count
                elif state == State.HELD:
                    day.held += count
                else:
                    day.failed += count
        return list(days.values())

    def ignored(self, since: float, most: int = 10) -> list[Ignored]:
        """Given a time in epoch seconds, return the reasons of messages ignored since: the most frequent first."""
        count = sa.func.count().label("mails")
        query = sa.select(mail.c.mailbox, mail.c.reason, count).where(
            mail.c.state == State.DONE, mail.c.issue.is_(None), mail.c.kept_at >= since
        )
        query = query.group_by(mail.c.mailbox, mail.c.reason).order_by(count.desc(), mail.c.mailbox).limit(most)
        with self._database.read() as db:
            return [Ignored(row.mailbox, row.reason or "", row.mails) for row in db.execute(query)]

    def newest_number(self) -> int:
        """The number of the newest message, about as many as were ever stored; 0 without any. Takes no time."""
        with self._database.read() as db:
            return int(db.execute(sa.select(sa.func.max(mail.c.id))).scalar() or 0)

    def states(self) -> dict[str, int]:
        """How many messages are in each state; ignored ones separate from processed ones."""
        undone = sa.select(mail.c.state, sa.func.count()).where(mail.c.state.in_(UNDONE)).group_by(mail.c.state)
        none_made = sa.select(sa.func.count()).where(mail.c.state == State.DONE, mail.c.issue.is_(None))
        with self._database.read() as db:
            counts = {str(state): count for state, count in db.execute(undone)}
            ignored = int(db.execute(none_made).scalar() or 0)
            total = int(db.execute(sa.select(sa.func.count()).select_from(mail)).scalar() or 0)
        done = total - sum(counts.values()) - ignored
        counts |= {word: count for word, count in ((State.DONE.value, done), ("ignored", ignored)) if count}
        return counts

    def latencies(self) -> Latencies:
        """The time from storing to Redmine of all stored messages: counts for a histogram.

        They are counted again after `FRESH` seconds, since that reads every message.
        """
        if self._latencies is not None and self._clock() - self._latencies[0] < FRESH:
            return self._latencies[1]
        made = sa.and_(mail.c.state == State.DONE, mail.c.issue.is_not(None))
        latencies = self._took(mail.c.changed_at - mail.c.kept_at, made)
        self._latencies = (self._clock(), latencies)
        return latencies

    def sending_latencies(self) -> Latencies:
        """The time from queueing to sending of all stored messages: counts for a histogram."""
        return self._took(outbox.c.sent_at - outbox.c.created_at, outbox.c.state == SENT)

    def _took(self, took: sa.ColumnElement[float], where: sa.ColumnElement[bool]) -> Latencies:
        within = [sa.func.count().filter(took <= bound) for bound in Latencies.BOUNDS]
        query = sa.select(*within, sa.func.count(), sa.func.coalesce(sa.func.sum(took), 0.0)).where(where)
        with self._database.read() as db:
            row = db.execute(query).one()
        return Latencies(tuple(row[: len(within)]), row[-2], float(row[-1]))

    def outbox_counts(self, since: float) -> dict[str, OutboxCounts]:
        """Given a time (24 hours ago), return each mailbox's outgoing queue."""
        sent = sa.func.count().filter(outbox.c.state == SENT, outbox.c.sent_at > since)
        waiting = sa.func.count().filter(outbox.c.state == QUEUED)
        failed = sa.func.count().filter(outbox.c.state == FAILED, outbox.c.created_at > since)
        oldest = sa.func.min(outbox.c.created_at).filter(outbox.c.state == QUEUED)
        query = sa.select(outbox.c.mailbox, waiting, failed, sent, oldest)
        query = query.where(sa.or_(outbox.c.state == QUEUED, outbox.c.created_at > since - 86_400))
        with self._database.read() as db:
            return {row[0]: OutboxCounts(*row[1:]) for row in db.execute(query.group_by(outbox.c.mailbox))}

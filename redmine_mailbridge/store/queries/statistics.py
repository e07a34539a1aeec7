"""Numbers over the mails: how many wait, are held or failed, and how many came on each day."""

import datetime as dt
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import ClassVar

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN, State
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.outbox import FAILED, QUEUED, SENT
from redmine_mailbridge.store.tables import mail, outbox

FRESH = 30.0
"""Seconds for which the histogram of latencies is good."""
BUCKET = 900
"""Seconds: days of every time zone are made of whole quarters of an hour."""


@dataclass(slots=True)
class Day:
    """What came on one day, by what became of it so far."""

    day: dt.date
    done: int = 0
    ignored: int = 0
    failed: int = 0
    held: int = 0
    waiting: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.done + self.ignored + self.failed + self.held + self.waiting


@dataclass(frozen=True, slots=True)
class Pile:
    """What of a mailbox has not ended well: times in epoch seconds."""

    waiting: int = 0
    held: int = 0
    refused: int = 0
    aside: int = 0
    last_mail: float | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """How many mails of a mailbox were ignored for one reason."""

    mailbox: str
    reason: str
    mails: int


@dataclass(frozen=True, slots=True)
class Queue:
    """The sending queue of one mailbox: what waits, failed, and went out within 24 hours; when the oldest came."""

    waiting: int = 0
    failed: int = 0
    sent_today: int = 0
    oldest: float | None = None


@dataclass(frozen=True, slots=True)
class Latencies:
    """A histogram: how many took at most each of BOUNDS (seconds), how many there are, and their sum in seconds."""

    BOUNDS: ClassVar = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)

    within: tuple[int, ...]
    count: int
    seconds: float


class Figures:
    """Counts what the store holds; changes nothing."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._latencies: tuple[float, Latencies] | None = None

    def piles(self, mailboxes: Collection[str]) -> dict[str, Pile]:
        """Given mailboxes, return what waits and what failed in each."""
        query = sa.select(mail.c.mailbox, mail.c.state, sa.func.count()).where(mail.c.state != State.DONE)
        counts: dict[str, dict[str, int]] = {}
        with self._database.read() as db:
            for mailbox, state, number in db.execute(query.group_by(mail.c.mailbox, mail.c.state)):
                counts.setdefault(mailbox, {})[state] = number
            latest = {
                name: db.execute(sa.select(sa.func.max(mail.c.kept_at)).where(mail.c.mailbox == name)).scalar()
                for name in mailboxes
            }
        piles = {}
        for name in mailboxes:
            of = counts.get(name, {})
            piles[name] = Pile(
                of.get(State.KEPT, 0) + of.get(State.WRITING, 0),
                of.get(State.HELD, 0),
                of.get(State.REFUSED, 0),
                of.get(State.ASIDE, 0),
                latest[name],
            )
        return piles

    def days(self, mailboxes: Collection[str], today: dt.date, zone: dt.tzinfo, number: int = 14) -> list[Day]:
        """Given a day and a time zone, return what came on it and on the days before it, oldest first."""
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
        """Given a moment in epoch seconds, return why mails were ignored that came since: the most frequent first."""
        count = sa.func.count().label("mails")
        query = sa.select(mail.c.mailbox, mail.c.reason, count).where(
            mail.c.state == State.DONE, mail.c.issue.is_(None), mail.c.kept_at >= since
        )
        query = query.group_by(mail.c.mailbox, mail.c.reason).order_by(count.desc(), mail.c.mailbox).limit(most)
        with self._database.read() as db:
            return [Ignored(row.mailbox, row.reason or "", row.mails) for row in db.execute(query)]

    def states(self) -> dict[str, int]:
        """How many mails stand in each state; those that were ignored apart from those that were done."""
        every = sa.select(mail.c.state, sa.func.count()).group_by(mail.c.state)
        none_made = sa.select(sa.func.count()).where(mail.c.state == State.DONE, mail.c.issue.is_(None))
        with self._database.read() as db:
            found = {str(state): count for state, count in db.execute(every)}
            ignored = int(db.execute(none_made).scalar() or 0)
        done = found.pop(State.DONE.value, 0) - ignored
        found |= {word: count for word, count in ((State.DONE.value, done), ("ignored", ignored)) if count}
        return found

    def latencies(self) -> Latencies:
        """How long mails took from being taken to being in Redmine, over all that are: counts for a histogram.

        They are counted anew after `FRESH` seconds: that looks at every mail.
        """
        if self._latencies is not None and self._clock() - self._latencies[0] < FRESH:
            return self._latencies[1]
        made = sa.and_(mail.c.state == State.DONE, mail.c.issue.is_not(None))
        found = self._took(mail.c.changed_at - mail.c.kept_at, made)
        self._latencies = (self._clock(), found)
        return found

    def sending_latencies(self) -> Latencies:
        """How long mails took from being queued to being sent, over all that are kept: counts for a histogram."""
        return self._took(outbox.c.sent_at - outbox.c.created_at, outbox.c.state == SENT)

    def _took(self, took: sa.ColumnElement[float], where: sa.ColumnElement[bool]) -> Latencies:
        within = [sa.func.count().filter(took <= bound) for bound in Latencies.BOUNDS]
        query = sa.select(*within, sa.func.count(), sa.func.coalesce(sa.func.sum(took), 0.0)).where(where)
        with self._database.read() as db:
            row = db.execute(query).one()
        return Latencies(tuple(row[: len(within)]), row[-2], float(row[-1]))

    def queues(self, since: float) -> dict[str, Queue]:
        """Given a time (24 hours ago), return each mailbox's sending queue."""
        sent = sa.func.count().filter(outbox.c.state == SENT, outbox.c.sent_at > since)
        waiting = sa.func.count().filter(outbox.c.state == QUEUED)
        failed = sa.func.count().filter(outbox.c.state == FAILED, outbox.c.created_at > since)
        oldest = sa.func.min(outbox.c.created_at).filter(outbox.c.state == QUEUED)
        query = sa.select(outbox.c.mailbox, waiting, failed, sent, oldest)
        query = query.where(sa.or_(outbox.c.state == QUEUED, outbox.c.created_at > since - 86_400))
        with self._database.read() as db:
            return {row[0]: Queue(*row[1:]) for row in db.execute(query.group_by(outbox.c.mailbox))}

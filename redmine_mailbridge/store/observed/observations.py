"""What the store knows about the service, for the list of conditions: read in one transaction, nothing is written."""

from collections.abc import Mapping

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.health import HealthRecord
from redmine_mailbridge.store.outgoing.outbox import CLAIM_SECONDS
from redmine_mailbridge.store.outgoing.rows import FAILED, QUEUED
from redmine_mailbridge.store.pauses import MailboxPause, pauses_in
from redmine_mailbridge.store.tables import certificate, health, mail, meta, outbox, task_override
from redmine_mailbridge.store.task_state import STOPPED
from redmine_mailbridge.util.dataclass import dataclass

TOO_MANY_NEW = "braked:"
"""The beginning of the names under which `intake_limits.py` stores that a mailbox is paused."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many mails of a mailbox are concerned, and since when the first of them (epoch seconds)."""

    mails: int
    since: float


@dataclass(frozen=True, slots=True)
class SeenCertificate:
    """When the certificate of a server ends, and when that was seen, in epoch seconds."""

    until: float
    seen_at: float


@dataclass(frozen=True, slots=True)
class TimeBounds:
    """What is counted, in epoch seconds: mails that failed after `failed_after`; outgoing mail that has waited since
    before `waiting_before`, or was given up after `given_up_after`.
    """

    failed_after: float
    waiting_before: float
    given_up_after: float


@dataclass(frozen=True, slots=True)
class Observations:
    """What the store knows. By mailbox: `pauses`, `too_many_new` (new messages), and the backlogs of failed and held
    mails, and of outgoing mail that waits or was given up, alerts apart. `certificates` are by server (host:port).
    `stopped_at`: when a person stopped all processing, None if it is not stopped. `paused_tasks`: when a person paused
    each, by name.
    """

    health: Mapping[str, HealthRecord]
    pauses: Mapping[str, MailboxPause]
    stopped_at: float | None
    paused_tasks: Mapping[str, float]
    too_many_new: Mapping[str, int]
    failed: Mapping[str, Backlog]
    held: Mapping[str, Backlog]
    waiting: Mapping[str, Backlog]
    given_up: Mapping[str, Backlog]
    alerts_given_up: Backlog | None
    certificates: Mapping[str, SeenCertificate]


def observe(database: Database, bounds: TimeBounds) -> Observations:
    """Given the database and what is counted, return what it knows: eight statements, whatever it contains."""
    with database.read() as db:
        records = {row.name: HealthRecord(**row._mapping) for row in db.execute(sa.select(health))}
        values = {row.key: row.value for row in db.execute(_META)}
        ends = {row.server: SeenCertificate(row.until, row.seen_at) for row in db.execute(sa.select(certificate))}
        undone, given_up = _undone(db, bounds.failed_after), _given_up(db, bounds.given_up_after)
        return Observations(
            health=records,
            pauses=pauses_in(db),
            stopped_at=float(values[STOPPED]) if STOPPED in values else None,
            paused_tasks={row.name: row.changed_at for row in db.execute(_PAUSED_TASKS)},
            too_many_new={
                key.removeprefix(TOO_MANY_NEW): int(value) for key, value in values.items() if key != STOPPED
            },
            failed=undone[State.FAILED],
            held=undone[State.HELD],
            waiting=_waiting(db, bounds.waiting_before),
            given_up={name: backlog for name, backlog in given_up.items() if name is not None},
            alerts_given_up=given_up.get(None),
            certificates=ends,
        )


_PAUSED_TASKS = sa.select(task_override.c.name, task_override.c.changed_at).where(task_override.c.active.is_(False))
_META = sa.select(meta).where(sa.or_(meta.c.key == STOPPED, meta.c.key.startswith(TOO_MANY_NEW, autoescape=True)))


def _undone(db: sa.Connection, failed_after: float) -> dict[State, dict[str, Backlog]]:
    """The failed and the held mails, by mailbox."""
    counted = sa.or_(mail.c.state == State.HELD, mail.c.changed_at >= failed_after)
    query = sa.select(mail.c.state, mail.c.mailbox, sa.func.count(), sa.func.min(mail.c.changed_at))
    query = query.where(mail.c.state.in_([State.FAILED, State.HELD]), counted)
    backlogs: dict[State, dict[str, Backlog]] = {State.FAILED: {}, State.HELD: {}}
    for state, mailbox, count, since in db.execute(query.group_by(mail.c.state, mail.c.mailbox)):
        backlogs[State(state)][mailbox] = Backlog(count, since)
    return backlogs


def _waiting(db: sa.Connection, before: float) -> dict[str, Backlog]:
    """The outgoing mails that have waited since before a time: since they were first offered, or queued. One that a
    person has queued again is not counted before it has had its turn, and an alert never: it would cause the next.
    """
    since = sa.func.coalesce(outbox.c.offered_at, outbox.c.created_at)
    queued_again = sa.and_(outbox.c.next_try_at == 0.0, outbox.c.reason.is_not(None))
    query = sa.select(outbox.c.mailbox, sa.func.count(), sa.func.min(since))
    query = query.where(outbox.c.state == QUEUED, since < before, sa.not_(queued_again), outbox.c.kind != "alert")
    return {row[0]: Backlog(row[1], row[2]) for row in db.execute(query.group_by(outbox.c.mailbox))}


def _given_up(db: sa.Connection, after: float) -> dict[str | None, Backlog]:
    """The outgoing mails that were refused or given up after a time, by mailbox; alerts under None. A row failed under
    its last claim, whose end is the time of its next try.
    """
    query = sa.select(outbox.c.mailbox, outbox.c.kind, sa.func.count(), sa.func.min(outbox.c.next_try_at))
    query = query.where(outbox.c.state == FAILED, outbox.c.next_try_at >= after + CLAIM_SECONDS)
    backlogs: dict[str | None, Backlog] = {}
    for mailbox, kind, count, end in db.execute(query.group_by(outbox.c.mailbox, outbox.c.kind)):
        name, since = None if kind == "alert" else mailbox, end - CLAIM_SECONDS
        before = backlogs.get(name, Backlog(0, since))
        backlogs[name] = Backlog(before.mails + count, min(before.since, since))
    return backlogs

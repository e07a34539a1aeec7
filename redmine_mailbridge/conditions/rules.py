"""The rules: each yields the conditions of some kinds, given what was observed. A new condition is a kind in `kinds.py`
and a rule in `RULES`.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import replace

from redmine_mailbridge.conditions import kinds
from redmine_mailbridge.conditions.condition import Condition, Severity
from redmine_mailbridge.conditions.servers import active_tasks, configured_servers
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.health import REDMINE, SENDING, SERVICE, HealthRecord, alive, of_mailbox
from redmine_mailbridge.store.observed.observations import Backlog, Observations, TimeBounds
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.printable import printable_line

HOUR, DAY = 3600.0, 86_400.0
PATIENCE = 120.0
"""Seconds for which a failure is not yet a problem: connections break and are made again."""
UNREAD_TOO_LONG = 2 * HOUR
"""Seconds without a complete pass, of which each mailbox makes at least one an hour."""
HELD_TOO_LONG = DAY
WAITS_TOO_LONG, WAITS_FAR_TOO_LONG = HOUR, DAY
"""Seconds that outgoing mail waits before it is a warning, and critical."""
FAILED_OF_LATE, GIVEN_UP_OF_LATE = 7 * DAY, DAY
"""Seconds for which failed mail, and outgoing mail that was given up, is a condition."""
CERTIFICATE_DAYS, CERTIFICATE_DAYS_CRITICAL = 21, 7
"""Days before the end of a certificate from which on it is a warning, and critical."""
CERTIFICATE_KNOWN = 7 * DAY
"""Seconds after which what was seen of a certificate says nothing, unless it was about to end then: it may have been
renewed.
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What the rules judge by: what was observed, the settings, and the time in epoch seconds."""

    observations: Observations
    settings: Settings
    now: float

    def age(self, since: float | None) -> float:
        """Given a time, return how many seconds ago it was; 0 for one in the future."""
        return max(self.now - since, 0.0) if since is not None else 0.0

    def by_age(self, since: float | None) -> Severity:
        """Given when a failure began, return its severity: a problem after `PATIENCE`, critical after `alert_after`."""
        age, critical = self.age(since), self.settings.admin.alert_after.total_seconds()
        return Severity.CRITICAL if age >= critical else Severity.WARNING if age >= PATIENCE else Severity.OK

    def holds(self, record: HealthRecord | None) -> bool:
        """Given a record, return whether it still says something: of a service that has ended it does not."""
        service = self.observations.health.get(SERVICE)
        return record is not None and (service is None or alive(service, self.now) or record.at > service.at)


def bounds(now: float) -> TimeBounds:
    """Given the time, return what the store has to count."""
    return TimeBounds(
        failed_after=now - FAILED_OF_LATE, waiting_before=now - WAITS_TOO_LONG, given_up_after=now - GIVEN_UP_OF_LATE
    )


def _condition(key: str, subject: str, severity: Severity, since: float | None, detail: str) -> Condition:
    return Condition(key, subject, severity, since, printable_line(detail))


def _service(look: Look) -> Iterator[Condition]:
    """Whether the service runs. Where mailboxes are read by `receive` alone, none is expected to."""
    record = look.observations.health.get(SERVICE)
    if record is None:
        if not look.observations.health:
            detail = "it has not run on this store yet"
            yield _condition(kinds.SERVICE_NOT_RUNNING, "", Severity.WARNING, None, detail)
    elif not alive(record, look.now):
        was_stopped = record.doing == "stopped"
        detail = "it was stopped" if was_stopped else "it gives no sign of life"
        severity = look.by_age(record.at) if was_stopped else Severity.CRITICAL
        yield _condition(kinds.SERVICE_NOT_RUNNING, "", severity, record.at, detail)


def _stopped(look: Look) -> Iterator[Condition]:
    since = look.observations.stopped_at
    if since is not None:
        yield _condition(kinds.PROCESSING_STOPPED, "", Severity.WARNING, since, "no mail is read or sent")


def _paused_tasks(look: Look) -> Iterator[Condition]:
    """The tasks that a person has paused."""
    active = active_tasks(look.settings)
    for name, since in sorted(look.observations.paused_tasks.items()):
        if name in active:
            yield _condition(kinds.TASK_PAUSED, name, Severity.WARNING, since, "it does not run")


def _redmine(look: Look) -> Iterator[Condition]:
    record = look.observations.health.get(REDMINE)
    if record is not None and record.error and look.holds(record):
        severity = Severity.CRITICAL if record.refused else look.by_age(record.failing_since)
        yield _condition(kinds.REDMINE_UNAVAILABLE, "", severity, record.failing_since, record.error)


def _mailboxes(look: Look) -> Iterator[Condition]:
    """The mailboxes that cannot be read. While processing is stopped or their task is paused, none is tried: the last
    error is then dormant, but not over. That too many messages are new is a condition of its own.
    """
    for name in look.settings.active_mailboxes:
        record = look.observations.health.get(of_mailbox(name))
        if record is None or not look.holds(record) or name in look.observations.too_many_new:
            continue
        is_read = look.observations.stopped_at is None and record.doing != "not active"
        if record.error:
            severity = Severity.CRITICAL if record.refused else look.by_age(record.failing_since)
            detail = record.error.removeprefix(f"mailbox {name}: ")
            condition = _condition(kinds.MAILBOX_NOT_READ, name, severity, record.failing_since, detail)
            yield condition if is_read else replace(condition, severity=Severity.OK, dormant=True)
        elif is_read and look.age(record.ok_at) >= UNREAD_TOO_LONG:
            detail = f"no pass has ended since; now: {record.doing or 'waiting'}"
            yield _condition(kinds.MAILBOX_NOT_READ, name, Severity.WARNING, record.ok_at, detail)


def _pauses(look: Look) -> Iterator[Condition]:
    for name in look.settings.active_mailboxes:
        pause = look.observations.pauses.get(name)
        if pause is not None:
            yield _condition(kinds.MAILBOX_PAUSED, name, Severity.CRITICAL, pause.since, "; ".join(pause.lines))
        number = look.observations.too_many_new.get(name)
        if number is not None:
            yield _condition(kinds.TOO_MANY_NEW_MAILS, name, Severity.WARNING, None, f"{number} are new")


def _mails(look: Look) -> Iterator[Condition]:
    for name in look.settings.mailboxes:
        failed, held = look.observations.failed.get(name), look.observations.held.get(name)
        if failed is not None:
            yield _condition(kinds.MAIL_FAILED, name, Severity.WARNING, failed.since, _number(failed))
        if held is not None and look.age(held.since) >= HELD_TOO_LONG:
            yield _condition(kinds.MAIL_HELD, name, Severity.WARNING, held.since, _number(held))


def _outgoing(look: Look) -> Iterator[Condition]:
    """What is wrong with outgoing mail; also of mailboxes that the settings no longer contain."""
    record = look.observations.health.get(SENDING)
    if record is not None and record.error and look.holds(record):
        severity = look.by_age(record.failing_since)
        yield _condition(kinds.SENDING_FAILS, "", severity, record.failing_since, record.error)
    for name, waiting in sorted(look.observations.waiting.items()):
        severity = Severity.CRITICAL if look.age(waiting.since) >= WAITS_FAR_TOO_LONG else Severity.WARNING
        yield _condition(kinds.OUTBOX_WAITING, name, severity, waiting.since, _number(waiting))
    for name, given_up in sorted(look.observations.given_up.items()):
        yield _condition(kinds.OUTBOX_FAILED, name, Severity.WARNING, given_up.since, _number(given_up))
    alerts = look.observations.alerts_given_up
    if alerts is not None:
        yield _condition(kinds.ALERT_FAILED, "", Severity.WARNING, alerts.since, _number(alerts))


def _certificates(look: Look) -> Iterator[Condition]:
    """The certificates that end soon, or have ended, unless nothing is known of them any more."""
    servers = configured_servers(look.settings)
    for server, seen in sorted(look.observations.certificates.items()):
        days = (seen.until - look.now) / DAY
        is_known = look.age(seen.seen_at) <= CERTIFICATE_KNOWN or seen.until - seen.seen_at < CERTIFICATE_DAYS * DAY
        if server not in servers or days >= CERTIFICATE_DAYS or not is_known:
            continue
        end = dt.datetime.fromtimestamp(seen.until, dt.UTC).date()
        detail = f"it ended on {end}" if days <= 0 else f"on {end}, in {int(days)} day{'' if int(days) == 1 else 's'}"
        severity = Severity.CRITICAL if days < CERTIFICATE_DAYS_CRITICAL else Severity.WARNING
        yield _condition(kinds.CERTIFICATE_ENDS, server, severity, seen.until - CERTIFICATE_DAYS * DAY, detail)


def _number(backlog: Backlog) -> str:
    return "1 mail" if backlog.mails == 1 else f"{backlog.mails} mails"


ConditionRule = Callable[[Look], Iterator[Condition]]
RULES: tuple[ConditionRule, ...] = (
    _service, _stopped, _paused_tasks, _redmine, _mailboxes, _pauses, _mails, _outgoing, _certificates
)  # fmt: skip
"""All rules, in the order of what they yield."""

"""Whether an automation rule is due for an issue: the complete policy, as functions of values.

A rule measures spans from events: the issue's making, notes, changes of status. Its *trigger event* is the newest event
brought about by a person among those that it looks at. It acts once for each trigger event. So a reminder is sent once,
the customer's next mail makes the rule new, and what the bridge itself writes never does.
"""
# ruff: noqa: D102 - what the two protocols hold is said in them

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from redmine_mailbridge.business_time.business_hours import Calendar
from redmine_mailbridge.settings.time_rules import Age, RuleWhen, TimeRule
from redmine_mailbridge.util.dataclass import dataclass

MADE = 0
"""The trigger event of a rule that looks at nothing but the issue's making."""


class RuleIssue(Protocol):
    """What a rule looks at in an issue. Times in seconds since the epoch, UTC. `since` is when its conversation began:
    with the issue, unless it began in Redmine later.
    """

    @property
    def id(self) -> int: ...
    @property
    def mailbox(self) -> str: ...
    @property
    def project(self) -> str: ...
    @property
    def tracker(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    @property
    def priority(self) -> str: ...
    @property
    def assignee_id(self) -> int | None: ...
    @property
    def created_on(self) -> float: ...
    @property
    def since(self) -> float: ...


class RuleJournal(Protocol):
    """What a rule looks at in an entry of an issue's history. `side` is "customer", "agent" or "bridge", `mail_id` the
    mail that made it, None when none did.
    """

    @property
    def id(self) -> int: ...
    @property
    def at(self) -> float: ...
    @property
    def side(self) -> str: ...
    @property
    def has_notes(self) -> bool: ...
    @property
    def private(self) -> bool: ...
    @property
    def status_to(self) -> str | None: ...
    @property
    def mail_id(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """A rule is due for an issue. `trigger_event` is the journal since which (MADE: the issue's making), `at` the
    instant from which on it was due, `reason` what an agent wants to read.
    """

    rule: str
    issue: int
    trigger_event: int
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Event:
    """Where a span begins: at which instant. `trigger_event` is the newest event by a person that the span looks at."""

    at: float
    trigger_event: int


def due(
    rule: TimeRule,
    issue: RuleIssue,
    history: Sequence[RuleJournal],
    now: float,
    calendar: Calendar,
    *,
    mailed: Callable[[int], bool],
) -> RuleMatch | None:
    """Given a rule, an issue with its whole history in order, the time, and the calendar of the issue's project,
    return the rule's application when all its conditions hold, else None.

    An agent's note, by its number, counts as `mailed` if the customer received it by mail: no one waits for the answer
    to a note that was sent to no one. Whether it ran before is not checked here: the trigger event identifies the run.
    """
    when = rule.when
    if not fits(when, issue) or (when.waiting_for is not None and when.waiting_for != _turn(history, mailed)):
        return None
    at, trigger_event, reasons = 0.0, MADE, []
    for name, age in when.ages.items():
        event = _EVENTS[name](issue, history)
        if event is None:
            return None
        ends = end_of(age, event.at, calendar)
        if math.isinf(ends) or now < ends:
            return None
        at, trigger_event = max(at, ends), max(trigger_event, event.trigger_event)
        reasons.append(SAID[name].format(span_text(age)))
    if when.waiting_for is not None:
        trigger_event = max(trigger_event, _newest(history, _public))
    return RuleMatch(rule.name, issue.id, trigger_event, at, " and ".join(reasons))


def fits(when: RuleWhen, issue: RuleIssue) -> bool:
    """Whether a rule applies to an issue, regardless of time."""
    return (
        when.closed == issue.closed
        and _one_of(when.statuses, issue.status)
        and _one_of(when.projects, issue.project)
        and _one_of(when.mailboxes, issue.mailbox)
        and _one_of(when.trackers, issue.tracker)
        and _one_of(when.priorities, issue.priority)
        and when.assigned in (None, issue.assignee_id is not None)
    )


def end_of(age: Age, start: float, calendar: Calendar) -> float:
    """Given a span and its start, return the instant when it has passed."""
    return calendar.after(start, age.seconds) if age.business else start + age.seconds


def span_text(age: Age) -> str:
    """Given a span, return it in words: "3 days", "4 business hours"."""
    word = "business " if age.business else ""
    units = ((3600, "hour"), (60, "minute")) if age.business else ((86400, "day"), (3600, "hour"), (60, "minute"))
    for size, unit in (*units, (1, "second")):
        count, rest = divmod(age.seconds, size)
        if not rest:
            return f"{count} {word}{unit}{'' if count == 1 else 's'}"
    return f"{age.seconds} {word}seconds"


def _one_of(names: Collection[str], name: str) -> bool:
    return not names or name.lower() in {allowed.lower() for allowed in names}


# ------------------------------------------------------------------ what counts as whose word


def _wrote(entry: RuleJournal) -> bool:
    """Did a person say something, be it only by a file in a mail?"""
    return entry.side != "bridge" and (entry.has_notes or entry.mail_id is not None)


def _customer(entry: RuleJournal) -> bool:
    return _wrote(entry) and entry.side == "customer"


def _agent(entry: RuleJournal) -> bool:
    """An agent's word that the customer can read."""
    return _wrote(entry) and entry.side == "agent" and not entry.private


def _public(entry: RuleJournal) -> bool:
    return _customer(entry) or _agent(entry)


def _status_by_person(entry: RuleJournal) -> bool:
    return _wrote(entry) or (entry.side != "bridge" and entry.status_to is not None)


def _newest(history: Sequence[RuleJournal], counts: Callable[[RuleJournal], bool]) -> int:
    return max((entry.id for entry in history if counts(entry)), default=MADE)


def _last(history: Sequence[RuleJournal], counts: Callable[[RuleJournal], bool]) -> RuleJournal | None:
    newest_first: Iterator[RuleJournal] = (entry for entry in reversed(history) if counts(entry))
    return next(newest_first, None)


def _turn(history: Sequence[RuleJournal], mailed: Callable[[int], bool]) -> str:
    """Whose turn it is: the last writer waits for the other side. No one's, "", if agents have written since the
    customer did, but nothing of it went to the customer.
    """
    last = _last(history, _public)
    if last is None or _customer(last):
        return "agent"
    since = _newest(history, _customer)
    return "customer" if any(_agent(entry) and entry.id > since and mailed(entry.id) for entry in history) else ""


# ------------------------------------------------------------------ where each span begins


def _no_answer(issue: RuleIssue, history: Sequence[RuleJournal]) -> _Event | None:
    return _Event(issue.since, MADE) if _last(history, _agent) is None else None


def _customer_silent(issue: RuleIssue, history: Sequence[RuleJournal]) -> _Event:
    last = _last(history, _customer)
    return _Event(issue.since, MADE) if last is None else _Event(last.at, last.id)


def _agent_silent(_issue: RuleIssue, history: Sequence[RuleJournal]) -> _Event | None:
    last = _last(history, _agent)
    return None if last is None else _Event(last.at, _newest(history, _public))


def _silent(issue: RuleIssue, history: Sequence[RuleJournal]) -> _Event:
    last = _last(history, _wrote)
    return _Event(issue.since, MADE) if last is None else _Event(last.at, last.id)


def _in_status(issue: RuleIssue, history: Sequence[RuleJournal]) -> _Event:
    changed = _last(history, lambda entry: entry.status_to is not None)
    return _Event(issue.since if changed is None else changed.at, _newest(history, _status_by_person))


def _created(issue: RuleIssue, _history: Sequence[RuleJournal]) -> _Event:
    return _Event(issue.created_on, MADE)


_EVENTS: dict[str, Callable[[RuleIssue, Sequence[RuleJournal]], _Event | None]] = {
    "no_answer": _no_answer,
    "customer_silent": _customer_silent,
    "agent_silent": _agent_silent,
    "silent": _silent,
    "in_status": _in_status,
    "created": _created,
}
SAID = {
    "no_answer": "no first answer for {}",
    "customer_silent": "no word from the customer for {}",
    "agent_silent": "no word from an agent for {}",
    "silent": "no word for {}",
    "in_status": "in this status for {}",
    "created": "created {} ago",
}

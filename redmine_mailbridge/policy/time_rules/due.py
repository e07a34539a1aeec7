"""Whether a rule of time is due for an issue: the whole policy, as functions of values.

A rule measures spans from events: the issue's making, notes, changes of status. Its *anchor* is the newest event
brought about by a person among those that it looks at. It acts once for each anchor. So a reminder is sent once, the
customer's next mail makes the rule new, and what the bridge itself writes never does.
"""
# ruff: noqa: D102 - what the two protocols hold is said in them

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from redmine_mailbridge.business_time.business_hours import Calendar
from redmine_mailbridge.settings.time_rules import Age, RuleWhen, TimeRule

MADE = 0
"""The anchor of a rule that looks at nothing but the issue's making."""


class Issue(Protocol):
    """What a rule looks at in an issue. Times in seconds since the epoch, UTC."""

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


class Entry(Protocol):
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
class Application:
    """A rule is due for an issue. `anchor` is the journal since which (MADE: the issue's making), `at` the instant
    from which on it was due, `reason` what an agent wants to read.
    """

    rule: str
    issue: int
    anchor: int
    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class _Event:
    """Where a span begins: at which instant. `anchor` is the newest event by a person that the span looks at."""

    at: float
    anchor: int


def due(
    rule: TimeRule,
    issue: Issue,
    history: Sequence[Entry],
    now: float,
    calendar: Calendar,
    *,
    told: Callable[[int], bool],
) -> Application | None:
    """Given a rule, an issue with its whole history in order, the time, and the calendar of the issue's project,
    return the rule's application when all its conditions hold, else None.

    `told` says of an agent's note, by its number, whether the customer got it by mail: nobody waits for the answer to a
    note that went to nobody. Whether it was carried out before is not asked here: the anchor tells.
    """
    when = rule.when
    if not fits(when, issue) or (when.waiting_for is not None and when.waiting_for != _turn(history, told)):
        return None
    at, anchor, reasons = 0.0, MADE, []
    for name, age in when.ages.items():
        event = _EVENTS[name](issue, history)
        if event is None:
            return None
        ends = end_of(age, event.at, calendar)
        if math.isinf(ends) or now < ends:
            return None
        at, anchor = max(at, ends), max(anchor, event.anchor)
        reasons.append(SAID[name].format(said(age)))
    if when.waiting_for is not None:
        anchor = max(anchor, _newest(history, _public))
    return Application(rule.name, issue.id, anchor, at, " and ".join(reasons))


def fits(when: RuleWhen, issue: Issue) -> bool:
    """Whether an issue is one of those that a rule is for, whatever the time."""
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
    """Given a span and where it begins, return the instant when it has passed."""
    return calendar.after(start, age.seconds) if age.business else start + age.seconds


def said(age: Age) -> str:
    """Given a span, return it as people say it: "3 days", "4 business hours"."""
    word = "business " if age.business else ""
    units = ((3600, "hour"), (60, "minute")) if age.business else ((86400, "day"), (3600, "hour"), (60, "minute"))
    for size, unit in (*units, (1, "second")):
        count, rest = divmod(age.seconds, size)
        if not rest:
            return f"{count} {word}{unit}{'' if count == 1 else 's'}"
    return f"{age.seconds} {word}seconds"


def _one_of(names: Collection[str], name: str) -> bool:
    return not names or name.lower() in {one.lower() for one in names}


# ------------------------------------------------------------------ what counts as whose word


def _wrote(entry: Entry) -> bool:
    """Did a person say something, be it only by a file in a mail?"""
    return entry.side != "bridge" and (entry.has_notes or entry.mail_id is not None)


def _customer(entry: Entry) -> bool:
    return _wrote(entry) and entry.side == "customer"


def _agent(entry: Entry) -> bool:
    """An agent's word that the customer can read."""
    return _wrote(entry) and entry.side == "agent" and not entry.private


def _public(entry: Entry) -> bool:
    return _customer(entry) or _agent(entry)


def _status_by_person(entry: Entry) -> bool:
    return _wrote(entry) or (entry.side != "bridge" and entry.status_to is not None)


def _newest(history: Sequence[Entry], counts: Callable[[Entry], bool]) -> int:
    return max((entry.id for entry in history if counts(entry)), default=MADE)


def _last(history: Sequence[Entry], counts: Callable[[Entry], bool]) -> Entry | None:
    found: Iterator[Entry] = (entry for entry in reversed(history) if counts(entry))
    return next(found, None)


def _turn(history: Sequence[Entry], told: Callable[[int], bool]) -> str:
    """Whose turn it is: who wrote last waits for the other. Nobody's, "", when agents have written since the customer
    did, but nothing of it went to the customer.
    """
    last = _last(history, _public)
    if last is None or _customer(last):
        return "agent"
    since = _newest(history, _customer)
    return "customer" if any(_agent(one) and one.id > since and told(one.id) for one in history) else ""


# ------------------------------------------------------------------ where each span begins


def _no_answer(issue: Issue, history: Sequence[Entry]) -> _Event | None:
    return _Event(issue.created_on, MADE) if _last(history, _agent) is None else None


def _customer_silent(issue: Issue, history: Sequence[Entry]) -> _Event:
    last = _last(history, _customer)
    return _Event(issue.created_on, MADE) if last is None else _Event(last.at, last.id)


def _agent_silent(_issue: Issue, history: Sequence[Entry]) -> _Event | None:
    last = _last(history, _agent)
    return None if last is None else _Event(last.at, _newest(history, _public))


def _silent(issue: Issue, history: Sequence[Entry]) -> _Event:
    last = _last(history, _wrote)
    return _Event(issue.created_on, MADE) if last is None else _Event(last.at, last.id)


def _in_status(issue: Issue, history: Sequence[Entry]) -> _Event:
    changed = _last(history, lambda entry: entry.status_to is not None)
    return _Event(issue.created_on if changed is None else changed.at, _newest(history, _status_by_person))


def _created(issue: Issue, _history: Sequence[Entry]) -> _Event:
    return _Event(issue.created_on, MADE)


_EVENTS: dict[str, Callable[[Issue, Sequence[Entry]], _Event | None]] = {
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
    "created": "made {} ago",
}

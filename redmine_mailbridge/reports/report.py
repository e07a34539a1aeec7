"""A report: what happened in a period, summed by one thing, with exact hours. Pure."""

import datetime as dt
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import field, replace
from decimal import ROUND_HALF_UP, Decimal
from statistics import fmean, median
from typing import Literal, get_args

from redmine_mailbridge.reports.events import Event, Kind, ReportFacts, events_of, opening
from redmine_mailbridge.reports.issue_timeline import NO_ONE
from redmine_mailbridge.store.time_entries import UNITS_PER_HOUR
from redmine_mailbridge.util.dataclass import dataclass

By = Literal["issue", "project", "mailbox", "customer", "requester", "agent", "activity", "month"]
BYS: tuple[By, ...] = get_args(By)


@dataclass(frozen=True, slots=True)
class Period:
    """From a first to a last day, both included; None: without a bound."""

    first: dt.date | None = None
    last: dt.date | None = None

    def __contains__(self, day: dt.date) -> bool:
        return (self.first is None or self.first <= day) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class Durations:
    """How long something took: how often it happened, and the middle of the times in seconds, None without any."""

    count: int = 0
    mean: float | None = None
    median: float | None = None
    business_mean: float | None = None
    business_median: float | None = None


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One line of a report. None where a number has no meaning for what the report is by."""

    key: str
    label: str
    units_of_12s: int
    opened: int | None
    answered: Durations | None
    resolved: Durations | None
    reopened: int | None
    mails_in: int | None
    mails_out: int | None
    backlog: int | None
    ignored: int | None = None

    @property
    def hours(self) -> Decimal:
        """Hours, to the hundredth."""
        return hours_of(self.units_of_12s)


@dataclass(frozen=True, slots=True)
class Report:
    """Rows, most hours first (months: in order), and the sum over all. `made_at` in epoch seconds."""

    by: By
    period: Period
    made_at: float
    rows: tuple[ReportRow, ...]
    total: ReportRow


def hours_of(units: int) -> Decimal:
    """Given units of 12 seconds, return hours rounded to the hundredth, halves up."""
    return (Decimal(units) / UNITS_PER_HOUR).quantize(Decimal("0.01"), ROUND_HALF_UP)


@dataclass(slots=True)
class _Sum:
    units_of_12s: int = 0
    counts: dict[Kind, int] = field(default_factory=dict)
    elapsed: dict[Kind, list[float]] = field(default_factory=dict)
    business: dict[Kind, list[float]] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        self.units_of_12s += event.units_of_12s
        self.counts[event.kind] = self.counts.get(event.kind, 0) + 1
        if event.kind in (Kind.ANSWERED, Kind.RESOLVED):
            self.elapsed.setdefault(event.kind, []).append(event.elapsed)
            self.business.setdefault(event.kind, []).append(event.business)

    def spans(self, kind: Kind) -> Durations:
        times, business = sorted(self.elapsed.get(kind, ())), sorted(self.business.get(kind, ()))
        if not times:
            return Durations()
        return Durations(len(times), fmean(times), median(times), fmean(business), median(business))


_LABELS: Mapping[str, Callable[[Event], tuple[str, str]]] = {
    "issue": lambda e: (str(e.issue.id), f"#{e.issue.id} {e.issue.subject}"),
    "project": lambda e: (e.issue.project, e.issue.project_name or e.issue.project),
    "mailbox": lambda e: (e.issue.mailbox, e.issue.mailbox),
    "customer": lambda e: (e.issue.domain, e.issue.domain or NO_ONE),
    "requester": lambda e: (
        e.issue.requester,
        f"{e.issue.requester_name} <{e.issue.requester}>" if e.issue.requester_name else e.issue.requester or NO_ONE,
    ),
    "agent": lambda e: (e.agent if e.agent_id is None else str(e.agent_id), e.agent or NO_ONE),
    "activity": lambda e: (e.activity, e.activity or NO_ONE),
    "month": lambda e: (month_of(e.day), month_of(e.day)),
}
_ONLY: Mapping[str, frozenset[Kind]] = {
    "agent": frozenset({Kind.HOURS, Kind.OPENED, Kind.ANSWERED, Kind.RESOLVED, Kind.REOPENED}),
    "activity": frozenset({Kind.HOURS}),
}
"""The events that have an author or an activity; the others count in the total only."""


_TELL_IGNORED: Collection[str] = ("mailbox", "month")
"""What a mail without an issue belongs to."""


def month_of(day: dt.date) -> str:
    """The month of a day: 2026-03."""
    return f"{day.year:04}-{day.month:02}"


def report_of(facts: ReportFacts, by: By, period: Period, now: float) -> Report:
    """Given facts, what to sum by, a period and the time now, return the report.

    Each number counts what happened in the period: hours by the day they were spent on, issues by the day they were
    made, answers and resolutions by the day on which they came; the backlog is what was open at the period's end.
    """
    label, kinds = _LABELS[by], _ONLY.get(by, frozenset(Kind))
    sums: dict[str, _Sum] = {}
    labels: dict[str, str] = {}
    total = _Sum()
    for event in events_of(facts):
        if event.day not in period:
            continue
        total.add(event)
        if event.kind in kinds:
            key, text = label(event)
            labels[key] = text
            sums.setdefault(key, _Sum()).add(event)
    ignored = _ignored(facts, by, period)
    for key in ignored if by in _TELL_IGNORED else ():
        labels.setdefault(key, key)
        sums.setdefault(key, _Sum())
    end = _end(period, facts, now)
    if by == "month":
        backlog = _fill_months(sums, labels, facts, now)
    else:
        backlog = _backlog(facts, by, end)
        for key, (text, _) in backlog.items():
            labels.setdefault(key, text)
            sums.setdefault(key, _Sum())
    _tell_apart(labels)
    rows = [_row(by, key, labels[key], totals, backlog.get(key, ("", 0))[1]) for key, totals in sums.items()]
    if by in _TELL_IGNORED:
        rows = [replace(row, ignored=ignored.get(row.key, 0)) for row in rows]
    rows.sort(key=(lambda row: row.key) if by == "month" else (lambda row: (-row.units_of_12s, row.label.lower())))
    still_open = sum(timeline.open_at(end) for timeline in facts.timelines.values())
    whole = replace(_row("all", "", "Total", total, still_open), ignored=sum(ignored.values()))
    return Report(by, period, now, tuple(rows), whole)


def _ignored(facts: ReportFacts, by: str, period: Period) -> Counter[str]:
    """How many mails were ignored, by month where the report is by month, else by mailbox."""
    days = ((fact, facts.day(fact.at)) for fact in facts.ignored)
    return Counter(month_of(day) if by == "month" else fact.mailbox for fact, day in days if day in period)


def _tell_apart(labels: dict[str, str]) -> None:
    """Given labels by key, add the key to those that several have: two agents of one name, two projects."""
    seen = Counter(labels.values())
    labels.update({key: f"{text} [{key}]" for key, text in labels.items() if seen[text] > 1})


def _row(by: str, key: str, label: str, totals: _Sum, backlog: int) -> ReportRow:
    only = _ONLY.get(by, frozenset(Kind))

    def count(kind: Kind) -> int | None:
        return totals.counts.get(kind, 0) if kind in only else None

    return ReportRow(
        key=key,
        label=label,
        units_of_12s=totals.units_of_12s,
        opened=count(Kind.OPENED),
        answered=totals.spans(Kind.ANSWERED) if Kind.ANSWERED in only else None,
        resolved=totals.spans(Kind.RESOLVED) if Kind.RESOLVED in only else None,
        reopened=count(Kind.REOPENED),
        mails_in=count(Kind.MAIL_IN),
        mails_out=count(Kind.MAIL_OUT),
        backlog=backlog if Kind.OPENED in only else None,
    )


def _end(period: Period, facts: ReportFacts, now: float) -> float:
    """The last moment of a period, or now."""
    return now if period.last is None else min(now, _last_moment(period.last, facts.zone))


def _last_moment(day: dt.date, zone: dt.tzinfo) -> float:
    return dt.datetime.combine(day, dt.time(23, 59, 59), zone).timestamp()


def _backlog(facts: ReportFacts, by: By, end: float) -> dict[str, tuple[str, int]]:
    """How many issues were open then, by the thing: its label, and the number."""
    counts: dict[str, tuple[str, int]] = {}
    if by == "activity":
        return counts
    for timeline in facts.timelines.values():
        if timeline.open_at(end):
            key, label = _LABELS[by](opening(timeline.issue, facts))
            counts[key] = (label, counts.get(key, ("", 0))[1] + 1)
    return counts


def _fill_months(
    sums: dict[str, _Sum], labels: dict[str, str], facts: ReportFacts, now: float
) -> dict[str, tuple[str, int]]:
    """Add the months between in which nothing happened. Return how many issues were open at the end of each.

    Hours may be booked on any day from year 1 to 9999: what lies before the first issue or ahead of today has its own
    month, and none is added on the way there.
    """
    backlog: dict[str, tuple[str, int]] = {}
    begun = min((timeline.issue.since for timeline in facts.timelines.values()), default=now)
    first, last = month_of(facts.day(begun)), month_of(facts.day(now))
    between = _months([month for month in sorted(sums) if first <= month <= last])
    for month in sorted({*sums, *between}):
        sums.setdefault(month, _Sum())
        labels[month] = month
        year, number = int(month[:4]), int(month[5:])
        end = min(now, _last_moment(dt.date(year, number, monthrange(year, number)[1]), facts.zone))
        backlog[month] = (month, sum(timeline.open_at(end) for timeline in facts.timelines.values()))
    return backlog


def _months(seen: list[str]) -> Iterator[str]:
    """Every month from the first to the last of these."""
    if not seen:
        return
    year, month = int(seen[0][:4]), int(seen[0][5:])
    while (now := f"{year:04}-{month:02}") <= seen[-1]:
        yield now
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)

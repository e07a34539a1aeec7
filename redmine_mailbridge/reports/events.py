"""What happened, one event a thing, each with its day: from this every report is a sum over groups. Pure."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum

from redmine_mailbridge.reports.issue_timeline import NO_ONE, IssueTimeline, WorkingTime
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.time_entries import TimeEntry
from redmine_mailbridge.util.dataclass import dataclass


class Kind(StrEnum):
    """The kind of an event."""

    HOURS = "hours"
    OPENED = "opened"
    ANSWERED = "answered"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    MAIL_IN = "mail_in"
    MAIL_OUT = "mail_out"


@dataclass(frozen=True, slots=True)
class MailFact:
    """A mail that led to an issue or note, or that went out about an issue. `at` in epoch seconds."""

    issue: int
    at: float


@dataclass(frozen=True, slots=True)
class IgnoredFact:
    """A mail of which nothing was made, by decision: in which mailbox it lay, and when it came, in epoch seconds."""

    mailbox: str
    at: float


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to an issue.

    `agent` is who did it, NO_ONE where it is unknown, and `agent_id` the number of Redmine's user or group, which
    alone distinguishes two of one name. `units_of_12s` is hours; `elapsed` and `business` are the seconds
    from the issue's beginning to its first answer or resolution.
    """

    kind: Kind
    issue: IssueRow
    day: dt.date
    agent: str = NO_ONE
    agent_id: int | None = None
    activity: str = ""
    units_of_12s: int = 0
    elapsed: float = 0.0
    business: float = 0.0


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """All that a report is made from. `zone` says on which day a moment falls."""

    timelines: Mapping[int, IssueTimeline]
    entries: Collection[TimeEntry]
    mails_in: Iterable[MailFact]
    mails_out: Iterable[MailFact]
    working: WorkingTime
    zone: dt.tzinfo
    ignored: Iterable[IgnoredFact] = ()

    def day(self, moment: float) -> dt.date:
        """Given a moment in epoch seconds, return its day."""
        return dt.datetime.fromtimestamp(moment, self.zone).date()


def events_of(facts: ReportFacts) -> Iterator[Event]:
    """Given facts, yield everything that happened, in no order."""
    for timeline in facts.timelines.values():
        yield from _of_timeline(timeline, facts)
    for entry in facts.entries:
        entry_timeline = facts.timelines.get(entry.issue or 0)
        if entry_timeline is not None:
            who = (entry.user or NO_ONE, entry.user_id or None)
            units = entry.units_of_12s
            yield Event(Kind.HOURS, entry_timeline.issue, entry.spent_on, *who, entry.activity, units_of_12s=units)
    for kind, mails in ((Kind.MAIL_IN, facts.mails_in), (Kind.MAIL_OUT, facts.mails_out)):
        for mail in mails:
            mail_timeline = facts.timelines.get(mail.issue)
            if mail_timeline is not None:
                yield Event(kind, mail_timeline.issue, facts.day(mail.at))


def _of_timeline(timeline: IssueTimeline, facts: ReportFacts) -> Iterator[Event]:
    issue = timeline.issue
    begun = issue.since
    yield opening(issue, facts)
    for kind, moment in ((Kind.ANSWERED, timeline.first_answer), (Kind.RESOLVED, timeline.resolved)):
        if moment is not None:
            at = max(moment.at, begun)
            business = facts.working(issue.project, begun, at)
            who = (moment.by, moment.by_id)
            yield Event(kind, issue, facts.day(moment.at), *who, elapsed=at - begun, business=business)
    for at in timeline.reopened:
        yield Event(Kind.REOPENED, issue, facts.day(at), issue.assignee or NO_ONE, issue.assignee_id)


def opening(issue: IssueRow, facts: ReportFacts) -> Event:
    """Given an issue, return its beginning, which counts for who has it."""
    return Event(Kind.OPENED, issue, facts.day(issue.since), issue.assignee or NO_ONE, issue.assignee_id)

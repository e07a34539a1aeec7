"""The timeline of one issue from its history: first answer, resolution, reopenings, and when it was open. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace

from redmine_mailbridge.store.aggregate_results import IssueFigures
from redmine_mailbridge.store.issue_copy import IssueRow, JournalRow
from redmine_mailbridge.util.dataclass import dataclass

WorkingTime = Callable[[str, float, float], float]
"""Given a project's identifier and two moments in epoch seconds, the working seconds between them."""
NO_ONE = "(no one)"


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """Something that happened: when, in epoch seconds, and by whom: a name, and the number of Redmine's user."""

    at: float
    by: str
    by_id: int | None = None


@dataclass(frozen=True, slots=True)
class IssueTimeline:
    """What became of one issue since its conversation began.

    `first_answer`: the first public note of an agent. `resolved`: its last closing, None while it is open.
    `changes`: when it was closed (True) and opened again (False), in order.
    """

    issue: IssueRow
    first_answer: TimelineEvent | None = None
    resolved: TimelineEvent | None = None
    changes: tuple[tuple[float, bool], ...] = ()

    @property
    def reopened(self) -> tuple[float, ...]:
        """When it was opened again."""
        return tuple(at for at, closed in self.changes if not closed and at >= self.issue.since)

    def open_at(self, moment: float) -> bool:
        """Was it open then?"""
        if moment < self.issue.since:
            return False
        closed = False
        for at, now_closed in self.changes:
            if at <= moment:
                closed = now_closed
        return not closed


def timeline_of(issue: IssueRow, journals: Iterable[JournalRow], closing: frozenset[str]) -> IssueTimeline:
    """Given an issue, its history in order and the lower-case names of the statuses that close, return its timeline."""
    answer: TimelineEvent | None = None
    changes: list[tuple[float, bool]] = []
    assignee = TimelineEvent(0.0, issue.assignee or NO_ONE, issue.assignee_id)
    closer = assignee
    for journal in journals:
        if answer is None and journal.side == "agent" and journal.has_notes and not journal.private:
            answer = TimelineEvent(journal.at, journal.user_name, journal.user_id)
        if journal.status_to is None:
            continue
        was, now = (journal.status_from or "").lower() in closing, journal.status_to.lower() in closing
        if was != now:
            changes.append((journal.at, now))
        if now and not was:
            closer = (
                TimelineEvent(journal.at, journal.user_name, journal.user_id) if journal.side == "agent" else assignee
            )
    if issue.closed != (bool(changes) and changes[-1][1]):  # closed from the start, or a status has changed its kind
        at = issue.closed_on if issue.closed and issue.closed_on is not None else issue.updated_on
        changes.append((at, issue.closed))
    is_resolved = issue.closed and bool(changes) and changes[-1][0] >= issue.since
    resolved = replace(closer, at=changes[-1][0]) if is_resolved else None
    return IssueTimeline(issue, answer, resolved, tuple(changes))


def timelines_of(
    issues: Iterable[IssueRow], journals: Iterable[JournalRow], closing: frozenset[str]
) -> dict[int, IssueTimeline]:
    """Given issues and the histories of all of them, return the timeline of each by its number."""
    histories: dict[int, list[JournalRow]] = {}
    for journal in journals:
        histories.setdefault(journal.issue, []).append(journal)
    return {issue.id: timeline_of(issue, histories.get(issue.id, ()), closing) for issue in issues}


@dataclass(frozen=True, slots=True)
class Counts:
    """What the store counts for each issue: hours in units of 12 seconds, mails that came in, mails that went out."""

    units_of_12s: Mapping[int, int] = field(default_factory=dict)
    mails_in: Mapping[int, int] = field(default_factory=dict)
    mails_out: Mapping[int, int] = field(default_factory=dict)


def figure_of(timeline: IssueTimeline, counts: Counts, working: WorkingTime) -> IssueFigures:
    """Given an issue's timeline and counts, return its figures."""
    issue = timeline.issue

    def spans(moment: TimelineEvent | None) -> tuple[float | None, float | None]:
        if moment is None:
            return None, None
        elapsed = max(0.0, moment.at - issue.since)
        return elapsed, working(issue.project, issue.since, max(moment.at, issue.since))

    answer, resolution = spans(timeline.first_answer), spans(timeline.resolved)
    return IssueFigures(
        issue=issue.id,
        units_of_12s=counts.units_of_12s.get(issue.id, 0),
        first_answer=answer[0],
        first_answer_business=answer[1],
        resolution=resolution[0],
        resolution_business=resolution[1],
        mails_in=counts.mails_in.get(issue.id, 0),
        mails_out=counts.mails_out.get(issue.id, 0),
        reopened=len(timeline.reopened),
    )


def figures_of(timelines: Mapping[int, IssueTimeline], counts: Counts, working: WorkingTime) -> Sequence[IssueFigures]:
    """Given all timelines and counts, return the figures of each issue, by number."""
    return [figure_of(timelines[number], counts, working) for number in sorted(timelines)]

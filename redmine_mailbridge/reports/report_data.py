"""All that reports are made from, as the store holds it."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence

from redmine_mailbridge.reports.budgets import Budget
from redmine_mailbridge.reports.events import IgnoredFact, MailFact, ReportFacts
from redmine_mailbridge.reports.issue_timeline import IssueTimeline, WorkingTime, timelines_of
from redmine_mailbridge.store.aggregate_results import AggregateResults
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.time_entries import TimeEntries
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ReportData:
    """What the store holds for reports, and how times are shown: needs no Redmine."""

    issues: IssueCopy
    hours: TimeEntries
    results: AggregateResults
    working: WorkingTime
    zone: dt.tzinfo
    clock: Callable[[], float]
    budgets: Sequence[Budget] = ()

    def timelines(self) -> dict[int, IssueTimeline]:
        """The timeline of every issue that came by mail and is still shown to us."""
        return timelines_of(self.issues.issues(), self.issues.journals(), self.results.closing())

    def facts(self) -> ReportFacts:
        """All that reports are made from."""
        entries = list(self.hours.entries())
        mails_in = [MailFact(*row) for row in self.results.mails_in()]
        mails_out = [MailFact(*row) for row in self.results.mails_out()]
        ignored = [IgnoredFact(*row) for row in self.results.ignored()]
        return ReportFacts(self.timelines(), entries, mails_in, mails_out, self.working, self.zone, ignored)

    def ignored_since(self, moment: float) -> Counter[str]:
        """How many mails of each mailbox were ignored that came since a moment in epoch seconds."""
        return Counter(mailbox for mailbox, at in self.results.ignored() if at >= moment)

    def today(self) -> dt.date:
        """Today, in the zone of the reports."""
        return dt.datetime.fromtimestamp(self.clock(), self.zone).date()

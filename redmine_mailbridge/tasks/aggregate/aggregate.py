"""The aggregate task: reads time entries, computes statistics, writes custom fields, warns about budgets.

issue copy ──▶ time entries ──▶ timelines ──▶ figures ──▶ store ──▶ custom fields
                                    └───────▶ balances ──▶ warnings by mail
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Protocol

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.reports.budgets import Balance, balances_of, due_warning
from redmine_mailbridge.reports.issue_timeline import Counts, IssueTimeline, figures_of
from redmine_mailbridge.reports.report import hours_of
from redmine_mailbridge.reports.report_data import ReportData
from redmine_mailbridge.store.aggregate_results import IssueFigures
from redmine_mailbridge.store.time_entries import TimeEntry
from redmine_mailbridge.tasks.aggregate.custom_field_writer import CustomFieldWriter, DesiredValues
from redmine_mailbridge.tasks.aggregate.time_entry_sync import SyncedEntries, TimeEntrySync
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

DAY = 86_400.0


class QueueSystemMail(Protocol):
    """Queues a mail to admins (`IssueMailer.queue_system`)."""

    def __call__(self, kind: str, key: str, to: Sequence[Address], variables: Mapping[str, object]) -> tuple[bool, str]:
        """Given a kind of mail, what it is about, its recipients and its template's variables, queue it. Return whether
        the outbox holds it, and one line.
        """


@dataclass(frozen=True, slots=True)
class Targets:
    """Where results are written: custom fields by figure, recipients by budget. `warn` is None when no mail can be
    sent.
    """

    issue_fields: Mapping[str, str] = field(default_factory=dict)
    project_fields: Mapping[str, str] = field(default_factory=dict)
    warn: QueueSystemMail | None = None
    people: Mapping[str, Sequence[Address]] = field(default_factory=dict)


class Refresh(Protocol):
    """Updates the copy of the issues and removes those that no longer exist (`IssueSync.take_stock`). With
    `reread_all`, every issue is read again.
    """

    def __call__(self, stop: threading.Event, *, reread_all: bool) -> object:
        """Run until finished or until `stop` is set."""


class Aggregator:
    """Updates the stored issues and time entries with few requests, then recomputes all results from them."""

    name = "aggregate"

    def __init__(
        self,
        kept: ReportData,
        reader: TimeEntrySync,
        writer: CustomFieldWriter,
        targets: Targets,
        *,
        refresh: Refresh,
        closing: Callable[[], Collection[str]],
    ) -> None:
        self._kept = kept
        self._reader = reader
        self._writer = writer
        self._targets = targets
        self._refresh = refresh
        self._closing = closing
        self.last_read = SyncedEntries()

    def once(self, stop: threading.Event, *, rebuild: bool = False) -> TaskStepResult:
        """Make one run; with `rebuild`, from scratch. Return the number of changes, and the error if one ended it."""
        try:
            self._refresh(stop, reread_all=rebuild)
            self._kept.results.put_closing(self._closing())
            projects = {issue.project_id for issue in self._kept.issues.issues()}
            self.last_read = self._reader.once(sorted(projects), stop, rebuild=rebuild)
            if stop.is_set():
                return TaskStepResult(self.last_read.changed)
            timelines = self._kept.timelines()
            entries = list(self._kept.hours.entries())
            figures, changed = self._compute(timelines, entries)
            balances = balances_of(self._kept.budgets, timelines, entries, self._kept.today())
            warned = self._warn(balances)
            done, failed = self._writer.write(self._desired(timelines, figures, balances), stop, self._kept.clock())
        except MailbridgeError as error:
            log.warning("aggregate.interrupted", reason=str(error))
            return TaskStepResult(error=str(error))
        read = self.last_read
        for mailbox, count in sorted(self._kept.ignored_since(self._kept.clock() - DAY).items()):
            log.info("aggregate.ignored", mailbox=mailbox, mails=count, within="24 h")
        log.info(
            "aggregate.done", entries=read.held, requests=read.requests, changed=changed, fields=done, mails=warned
        )
        return TaskStepResult(read.changed + changed + done + warned, failed)

    def _compute(
        self, timelines: Mapping[int, IssueTimeline], entries: Sequence[TimeEntry]
    ) -> tuple[Sequence[IssueFigures], int]:
        units: Counter[int] = Counter()
        for entry in entries:
            units[entry.issue or 0] += entry.units_of_12s
        results = self._kept.results
        came, went = Counter(n for n, _ in results.mails_in()), Counter(n for n, _ in results.mails_out())
        figures = figures_of(timelines, Counts(units, came, went), self._kept.working)
        stored = results.all()
        new = [figure for figure in figures if stored.get(figure.issue) != figure]
        gone = stored.keys() - timelines.keys()
        if new or gone:
            results.put(new, gone, self._kept.clock())
        return figures, len(new) + len(gone)

    def _warn(self, balances: Sequence[Balance]) -> int:
        """Queue the warnings that are due, each once. Return how many."""
        queued = 0
        already_warned = self._kept.results.warned()
        for balance in balances:
            due = due_warning(balance, already_warned)
            people = self._targets.people.get(balance.budget.name, ())
            if due is None or not people or self._targets.warn is None:
                continue
            name, period = balance.budget.name, balance.period
            key = f"{name}/{period}/{due.threshold}"
            is_queued, line = self._targets.warn("budget", key, people, {"budget": balance.variables(due.threshold)})
            log.info("aggregate.budget", budget=name, percent=str(balance.percent), line=line)
            if is_queued:  # otherwise a rate limit or missing sender stopped it; the next run retries
                self._kept.results.put_warned(name, period, (*due.also, due.threshold), line, self._kept.clock())
                queued += 1
        return queued

    def _desired(
        self, timelines: Mapping[int, IssueTimeline], figures: Sequence[IssueFigures], balances: Sequence[Balance]
    ) -> Iterator[DesiredValues]:
        names = self._targets.issue_fields
        for figure in figures if names else ():
            values = {name: _value(figure, quantity) for quantity, name in names.items()}
            yield DesiredValues("issue", figure.issue, timelines[figure.issue].issue.project, values)
        if self._targets.project_fields:
            yield from self._of_projects(timelines, figures, balances)

    def _of_projects(
        self, timelines: Mapping[int, IssueTimeline], figures: Sequence[IssueFigures], balances: Sequence[Balance]
    ) -> Iterator[DesiredValues]:
        units: Counter[int] = Counter()
        backlog: Counter[int] = Counter()
        # includes projects whose last issue no longer exists
        names = {row.project_id: row.project for row in self._kept.issues.issues(gone=None) if row.project_id}
        for figure in figures:
            issue = timelines[figure.issue].issue
            units[issue.project_id] += figure.units_of_12s
            backlog[issue.project_id] += not issue.closed
        by_project = {balance.budget.project: balance for balance in balances if balance.budget.customer is None}
        for number, identifier in sorted(names.items()):
            values = {"hours": str(hours_of(units[number])), "backlog": str(backlog[number])}
            balance = by_project.get(identifier)
            if balance is not None:
                values["budget_hours"] = str(hours_of(balance.allowed))
                values["budget_spent"] = str(hours_of(balance.spent))
                values["budget_left"] = str(hours_of(balance.remaining))
            fields = {
                name: values[quantity] for quantity, name in self._targets.project_fields.items() if quantity in values
            }
            yield DesiredValues("project", number, identifier, fields)


def _value(figure: IssueFigures, quantity: str) -> str:
    """Format a figure for a custom field: hours with two decimals, a count, or "" when there is none."""
    if quantity == "hours":
        return str(hours_of(figure.units_of_12s))
    value = getattr(figure, quantity)
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value / 3600:.2f}"

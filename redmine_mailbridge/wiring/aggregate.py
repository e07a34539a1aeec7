"""Builds what computes hours and reports from settings; called by `app`, the commands and the admin page."""

from zoneinfo import ZoneInfo

from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.piggyback import Piggyback
from redmine_mailbridge.reports.budgets import Budget, units_of_hours
from redmine_mailbridge.reports.report_data import ReportData
from redmine_mailbridge.settings.aggregate import BudgetSettings
from redmine_mailbridge.settings.calendars import calendars
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.aggregate_results import AggregateResults
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.time_entries import TimeEntries
from redmine_mailbridge.tasks.aggregate.aggregate import Aggregator, Targets
from redmine_mailbridge.tasks.aggregate.custom_field_writer import CustomFieldWriter
from redmine_mailbridge.tasks.aggregate.time_entry_sync import TimeEntrySync
from redmine_mailbridge.tasks.update.issue_sync import IssueSync


def kept(settings: Settings, store: Store) -> ReportData:
    """What reports are made from."""
    hours = calendars(settings.calendars)
    return ReportData(
        issues=IssueCopy(store.database, store.clock),
        hours=TimeEntries(store.database),
        results=AggregateResults(store.database),
        working=lambda project, start, end: hours.of(project).seconds_between(start, end),
        zone=ZoneInfo(settings.aggregate.time_zone),
        clock=store.clock,
        budgets=[budget(table) for table in settings.budgets],
    )


def budget(table: BudgetSettings) -> Budget:
    """A budget as it is computed with."""
    return Budget(
        name=table.name,
        units_of_12s=units_of_hours(table.exact_hours),
        project=table.project,
        customer=table.customer.lower() if table.customer is not None else None,
        carry_over=table.carry_over,
        most_carried=int(table.most_carried * 300) if table.most_carried is not None else None,
        reset_day=table.reset_day,
        start=table.start,
        thresholds=tuple(sorted(set(table.warn_at))),
    )


def aggregator(
    settings: Settings,
    store: Store,
    client: Client,
    metadata: MetadataCache,
    *,
    issue_sync: IssueSync,
    mailer: IssueMailer,
    piggyback: Piggyback | None = None,
) -> Aggregator:
    """The aggregate task."""
    held = kept(settings, store)

    def closing() -> frozenset[str]:
        statuses = metadata.statuses()
        return frozenset(name for name, number in statuses.ids.items() if number in statuses.closed)

    return Aggregator(
        held,
        TimeEntrySync(client, held.hours, sweep=settings.aggregate.sweep),
        CustomFieldWriter(client, metadata, held.results, piggyback, most=settings.aggregate.max_writes),
        Targets(
            issue_fields={str(k): v for k, v in settings.aggregate.issue_fields.items()},
            project_fields={str(k): v for k, v in settings.aggregate.project_fields.items()},
            warn=mailer.queue_system,
            people={table.name: [Address("", address) for address in table.warn] for table in settings.budgets},
        ),
        refresh=issue_sync.take_stock,
        closing=closing,
    )

"""Reports from what the store holds: what the command prints and the admin page shows."""

import datetime as dt
from typing import Literal

from redmine_mailbridge.reports.budgets import Balance, balances_of
from redmine_mailbridge.reports.html_page import page
from redmine_mailbridge.reports.report import By, Period, Report, report_of
from redmine_mailbridge.reports.report_data import ReportData
from redmine_mailbridge.reports.table import as_csv, as_json, table
from redmine_mailbridge.util.dataclass import dataclass

Format = Literal["table", "csv", "json", "html"]


@dataclass(frozen=True, slots=True)
class Overview:
    """A report, the same period by month, and today's balance of each budget."""

    report: Report
    months: Report
    balances: tuple[Balance, ...]
    zone: dt.tzinfo

    def text(self, style: Format) -> str:
        """The whole as text of this format."""
        if style == "csv":
            return as_csv(self.report)
        if style == "json":
            return as_json(self.report, self.balances) + "\n"
        if style == "html":
            return page(self.report, self.months, self.balances, self.zone)
        return table(self.report, self.balances)


def overview(kept: ReportData, by: By, period: Period) -> Overview:
    """Given what is held, what to sum by and a period, return the report. Asks nothing of Redmine."""
    facts = kept.facts()
    now = kept.clock()
    months = report_of(facts, "month", period, now)
    report = months if by == "month" else report_of(facts, by, period, now)
    balances = balances_of(kept.budgets, facts.timelines, facts.entries, kept.today())
    return Overview(report, months, tuple(balances), kept.zone)

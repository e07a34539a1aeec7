"""A report as one HTML page that needs nothing else: no script, no network; light or dark as the system is."""

import datetime as dt
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from redmine_mailbridge.reports import svg
from redmine_mailbridge.reports.budgets import Balance
from redmine_mailbridge.reports.report import Report, ReportRow
from redmine_mailbridge.reports.table import COLUMNS, balance_values, cells_of, span_text

MOST_BARS = 12
MOST_MONTHS = 36


def page(report: Report, months: Report, balances: Sequence[Balance], zone: dt.tzinfo) -> str:
    """Given a report, the same period by month, and budgets, return the page."""
    source = files("redmine_mailbridge.reports").joinpath("page.html").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    made = dt.datetime.fromtimestamp(report.made_at, zone)
    first = report.period.first.isoformat() if report.period.first else "the beginning"
    last = report.period.last.isoformat() if report.period.last else "today"
    return environment.from_string(source).render(
        title=f"Help desk by {report.by}",
        about=f"From {first} to {last}, made on {made:%Y-%m-%d at %H:%M} ({zone}). Times are medians.",
        by=report.by,
        tiles=tiles(report.total),
        charts=charts(report, months),
        budgets=[balance_values(balance) for balance in balances],
        columns=COLUMNS,
        rows=[(row.label, cells_of(row)) for row in report.rows],
        total=cells_of(report.total),
    )


def tiles(total: ReportRow) -> list[tuple[str, str]]:
    """Given the sum, return the numbers that stand first, each with its name."""
    answered, resolved = total.answered, total.resolved
    return [
        ("hours spent", f"{total.hours:.2f}"),
        ("issues opened", str(total.opened)),
        ("resolved", str(resolved.count if resolved else 0)),
        ("open at the end", str(total.backlog)),
        ("first answer", span_text(answered.median if answered else None) or "none"),
        ("resolution", span_text(resolved.median if resolved else None) or "none"),
        ("mails in", str(total.mails_in)),
        ("mails ignored", str(total.ignored or 0)),
        ("mails out", str(total.mails_out)),
    ]


def _english(text: str, /, **values: object) -> str:
    return text.format(**values)


def charts(report: Report, months: Report, say: Callable[..., str] = _english) -> list[dict[str, Any]]:
    """Given a report, the same by month, and how texts are said, return charts: title, svg, legend (class and name)."""
    point = say(".")
    shown = months.rows[-MOST_MONTHS:]
    labels = [row.key for row in shown]
    drawn: list[dict[str, Any]] = []
    if shown:
        hours = svg.ChartSeries(say("hours"), "s1", [float(row.hours) for row in shown])
        title = say("Hours by month")
        drawn.append(_chart(title, svg.columns(title, labels, [hours], unit=" h", point=point)))
        opened = svg.ChartSeries(say("opened"), "s1", [float(row.opened or 0) for row in shown])
        closed = svg.ChartSeries(
            say("resolved"), "s2", [float(row.resolved.count if row.resolved else 0) for row in shown]
        )
        title = say("Issues opened and resolved by month")
        drawn.append(_chart(title, svg.columns(title, labels, [opened, closed], point=point), [opened, closed]))
        open_still = svg.ChartSeries(say("open"), "s1", [float(row.backlog or 0) for row in shown])
        title = say("Open issues at the end of each month")
        drawn.append(_chart(title, svg.columns(title, labels, [open_still], point=point)))
    largest = [row for row in report.rows if row.units_of_12s][:MOST_BARS]
    if largest and report.by != "month":
        by = say(report.by)
        whole = len(report.rows) <= MOST_BARS
        title = say("Hours by {by}", by=by) if whole else say("Hours by {by}, the {n} largest", by=by, n=MOST_BARS)
        picture = svg.bars(
            title, [row.label for row in largest], [float(row.hours) for row in largest], unit=" h", point=point
        )
        drawn.append(_chart(title, picture))
    return drawn


def _chart(title: str, drawn: str, series: Sequence[svg.ChartSeries] = ()) -> dict[str, Any]:
    # what svg.py draws is our own markup, every text in it escaped there
    return {"title": title, "svg": Markup(drawn), "legend": [(entry.style, entry.name) for entry in series]}  # noqa: S704 - see above

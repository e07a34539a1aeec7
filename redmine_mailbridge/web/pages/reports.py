"""Hours, first answers, backlog and budgets, with charts; as a table, CSV, JSON, or one HTML file."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, cast

from starlette.responses import Response

from redmine_mailbridge.reports.html_page import charts, tiles
from redmine_mailbridge.reports.overview import Format, Overview, overview
from redmine_mailbridge.reports.report import BYS, By, Period
from redmine_mailbridge.reports.table import COLUMNS, IN_BUSINESS_HOURS, balance_values, cells_of
from redmine_mailbridge.web.request import PageRequest
from redmine_mailbridge.wiring import aggregate

MANY = 2000
"""With more messages than these the page does not wait for a new report: it shows the last one meanwhile."""
TYPES = {"csv": "text/csv", "json": "application/json", "html": "text/html"}


def show(call: PageRequest) -> Response:
    """The report of a period, by what is chosen. With many messages it is the last one while a new one is computed."""
    kind, compute = _chosen(call)
    if call.context.statistics.newest_number() <= MANY:
        return _page(call, kind, call.context.reports.whole(kind, call.now, compute), computing=False)
    shown, outdated = call.context.reports.last(kind, call.now)
    page = _page(call, kind, shown, computing=outdated)
    if outdated:  # after the page is made: computing would take half of the processor from it
        call.context.reports.begin(kind, call.now, compute)
    return page


def _page(call: PageRequest, kind: tuple[By, Period], shown: Overview | None, *, computing: bool) -> Response:
    """The page of a report; None: there is none yet."""
    chosen: dict[str, Any] = {"by": kind[0], "choices": BYS, "first": call.query("first"), "last": call.query("last")}
    title = call.words("Reports")
    if shown is None:
        return call.render("reports.html", title=title, computing=True, made_at=None, **chosen)
    report = shown.report
    return call.render(
        "reports.html",
        title=title,
        computing=computing,
        **chosen,
        made_at=report.made_at,
        tiles=tiles(report.total),
        drawn=charts(report, shown.months, call.words),
        budgets=[balance_values(balance) for balance in shown.balances],
        columns=_stacked(COLUMNS),
        rows=[(row.label, _stacked(cells_of(row))) for row in report.rows],
        total=_stacked(cells_of(report.total)),
    )


def download(call: PageRequest) -> Response:
    """The same as a file."""
    style = str(call.request.path_params["style"])
    if style not in TYPES:
        reason = call.words("This page does not exist.")
        return call.render("error.html", 404, title=call.words("Not found"), reason=reason)
    headers = {
        "Content-Disposition": f'attachment; filename="report.{style}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    kind, compute = _chosen(call)
    text = call.context.reports.whole(kind, call.now, compute).text(cast("Format", style))
    return Response(text, headers=headers, media_type=f"{TYPES[style]}; charset=utf-8")


def _chosen(call: PageRequest) -> tuple[tuple[By, Period], Callable[[], Overview]]:
    """What is chosen, and what computes that report."""
    by = call.query("by")
    grouping: By = next((choice for choice in BYS if choice == by), "project")
    period = Period(_day(call.query("first")), _day(call.query("last")))
    settings, store = call.context.settings, call.context.store
    return (grouping, period), lambda: overview(aggregate.kept(settings, store), grouping, period)


def _stacked(cells: Sequence[str]) -> list[tuple[str, str]]:
    """Given the cells of a row (or the columns' names), return each with its second line: a time in business hours
    below the same time by the clock, to keep the table within the page.
    """
    below = [place for place, name in enumerate(COLUMNS) if name == IN_BUSINESS_HOURS]
    return [
        (cell, cells[place + 1] if place + 1 in below else "") for place, cell in enumerate(cells) if place not in below
    ]


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None

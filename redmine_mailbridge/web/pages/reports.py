"""Hours, first answers, backlog and budgets, with charts; as a table, CSV, JSON, or one HTML file."""

import datetime as dt
from typing import cast

from starlette.responses import Response

from redmine_mailbridge.reports.html_page import charts, tiles
from redmine_mailbridge.reports.overview import Format, Overview, overview
from redmine_mailbridge.reports.report import BYS, By, Period
from redmine_mailbridge.reports.table import COLUMNS, balance_values, cells_of
from redmine_mailbridge.web.request import Call
from redmine_mailbridge.wiring import aggregate

FRESH, REMEMBERED = 60.0, 20
"""For how many seconds a report is shown again without computing it anew, and how many are kept."""
TYPES = {"csv": "text/csv", "json": "application/json", "html": "text/html"}


def show(call: Call) -> Response:
    """The report of a period, by what is chosen."""
    found = _overview(call)
    report = found.report
    return call.render(
        "reports.html",
        title=call.words("Reports"),
        by=report.by,
        choices=BYS,
        first=call.query("first"),
        last=call.query("last"),
        made_at=report.made_at,
        tiles=tiles(report.total),
        drawn=charts(report, found.months, call.words),
        budgets=[balance_values(one) for one in found.balances],
        columns=COLUMNS,
        rows=[(row.label, cells_of(row)) for row in report.rows],
        total=cells_of(report.total),
    )


def download(call: Call) -> Response:
    """The same as a file."""
    style = str(call.request.path_params["style"])
    if style not in TYPES:
        reason = call.words("There is no such page.")
        return call.render("error.html", 404, title=call.words("Not found"), reason=reason)
    headers = {
        "Content-Disposition": f'attachment; filename="report.{style}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    text = _overview(call).text(cast("Format", style))
    return Response(text, headers=headers, media_type=f"{TYPES[style]}; charset=utf-8")


def _overview(call: Call) -> Overview:
    by = call.query("by")
    wanted: By = next((one for one in BYS if one == by), "project")
    period = Period(_day(call.query("first")), _day(call.query("last")))
    known = call.desk.reports.get((wanted, period))
    if known is not None and call.now - known[0] < FRESH:
        return known[1]
    made = overview(aggregate.kept(call.desk.settings, call.desk.store), wanted, period)
    if len(call.desk.reports) >= REMEMBERED:
        call.desk.reports.clear()
    call.desk.reports[wanted, period] = (call.now, made)
    return made


def _day(text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        return None

"""A report as a table for a terminal, as CSV that no spreadsheet executes, and as JSON. Pure."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any

from redmine_mailbridge.reports.budgets import Balance
from redmine_mailbridge.reports.report import Durations, Report, ReportRow, hours_of
from redmine_mailbridge.util import spreadsheet
from redmine_mailbridge.util.printable import printable_line

IN_BUSINESS_HOURS = "in business hours"
COLUMNS = (
    "hours", "opened", "answered", "first answer", IN_BUSINESS_HOURS, "resolved", "resolution",
    IN_BUSINESS_HOURS, "reopened", "mails in", "ignored", "mails out", "backlog",
)  # fmt: skip
_SCALES = ((86400 * 2, 86400, "d"), (3600 * 2, 3600, "h"), (0, 60, "min"))


def span_text(seconds: float | None) -> str:
    """Given seconds, return them as people say them: 45 min, 3.5 h, 2.1 d; "" for none."""
    if seconds is None:
        return ""
    for least, unit, name in _SCALES:
        if seconds >= least:
            amount = seconds / unit
            return f"{amount:.0f} {name}" if unit == 60 else f"{amount:.1f} {name}"
    return ""


def cells_of(row: ReportRow) -> tuple[str, ...]:
    """Given a row, return its numbers as text, in the order of COLUMNS; times are medians."""
    answered, resolved = row.answered, row.resolved
    return (
        f"{row.hours:.2f}",
        _count(row.opened),
        _count(answered.count if answered else None),
        span_text(answered.median if answered else None),
        span_text(answered.business_median if answered else None),
        _count(resolved.count if resolved else None),
        span_text(resolved.median if resolved else None),
        span_text(resolved.business_median if resolved else None),
        _count(row.reopened),
        _count(row.mails_in),
        _count(row.ignored),
        _count(row.mails_out),
        _count(row.backlog),
    )


def table(report: Report, balances: Sequence[Balance] = (), *, width: int = 40) -> str:
    """Given a report, return it in columns, numbers to the right. Labels are cut to a width; none holds controls."""
    lines: list[tuple[str, ...]] = [(report.by, *COLUMNS)]
    lines += [(printable_line(row.label, width), *cells_of(row)) for row in (*report.rows, report.total)]
    text = _aligned(lines)
    if balances:
        heads = ("budget", "from", "to", "allowed", "spent", "left", "percent")
        text += "\n" + _aligned([heads, *(_balance_cells(balance, width) for balance in balances)])
    return text


def as_csv(report: Report) -> str:
    """Given a report, return CSV: hours with two decimals, times in seconds."""
    names = list(_values(report.total))
    head = [report.by, "label", *names]
    return spreadsheet.as_csv([head, *([row.key, row.label, *_values(row).values()] for row in report.rows)])


def as_json(report: Report, balances: Sequence[Balance] = ()) -> str:
    """Given a report, return one JSON object; hours are text with two decimals, times seconds."""
    period = report.period
    value = {
        "by": report.by,
        "from": period.first.isoformat() if period.first else None,
        "to": period.last.isoformat() if period.last else None,
        "made_at": dt.datetime.fromtimestamp(report.made_at, dt.UTC).isoformat(timespec="seconds"),
        "rows": [{"key": row.key, "label": row.label, **_values(row)} for row in report.rows],
        "total": _values(report.total),
        "budgets": [balance_values(balance) for balance in balances],
    }
    return json.dumps(value, ensure_ascii=False, indent=2)


def balance_values(balance: Balance) -> dict[str, Any]:
    """A budget's state as plain values; hours as text with two decimals."""
    return {
        "name": balance.budget.name,
        "scope": balance.scope,
        "from": balance.first.isoformat(),
        "to": balance.last.isoformat(),
        "hours": f"{hours_of(balance.budget.units_of_12s):.2f}",
        "carried": f"{hours_of(balance.carried):.2f}",
        "allowed": f"{hours_of(balance.allowed):.2f}",
        "spent": f"{hours_of(balance.spent):.2f}",
        "left": f"{hours_of(balance.remaining):.2f}",
        "percent": str(balance.percent),
    }


def _values(row: ReportRow) -> dict[str, Any]:
    return {
        "hours": f"{row.hours:.2f}",
        "opened": row.opened,
        **_span_values("first_answer", row.answered),
        **_span_values("resolution", row.resolved),
        "reopened": row.reopened,
        "mails_in": row.mails_in,
        "ignored": row.ignored,
        "mails_out": row.mails_out,
        "backlog": row.backlog,
    }


def _span_values(name: str, spans: Durations | None) -> dict[str, Any]:
    spans = spans or Durations()

    def rounded(value: float | None) -> int | None:
        return None if value is None else round(value)

    return {
        f"{name}_count": spans.count,
        f"{name}_mean": rounded(spans.mean),
        f"{name}_median": rounded(spans.median),
        f"{name}_business_mean": rounded(spans.business_mean),
        f"{name}_business_median": rounded(spans.business_median),
    }


def _balance_cells(balance: Balance, width: int) -> tuple[str, ...]:
    values = balance_values(balance)
    names = ("from", "to", "allowed", "spent", "left", "percent")
    return (printable_line(balance.budget.name, width), *(str(values[name]) for name in names))


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def _aligned(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    made = []
    for first, *rest in lines:
        cells = [first.ljust(widths[0]), *(text.rjust(width) for text, width in zip(rest, widths[1:], strict=True))]
        made.append("  ".join(cells).rstrip())
    return "\n".join(made) + "\n"

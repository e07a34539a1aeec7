"""Budgets: periods, carrying over, warnings."""

import datetime as dt

import pytest

from redmine_mailbridge.reports.budgets import Balance, Budget, balance_of, due_warning, spent_by_day
from redmine_mailbridge.reports.issue_timeline import timelines_of
from tests.unit.reports.sample_data import CLOSING, entry, issue

HOUR = 300


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def balance(today: str, spent: dict[str, float], **budget: object) -> Balance:
    given = {"name": "b", "units_of_12s": 10 * HOUR, "project": "support", "start": day("2026-01-01")} | budget
    days = {day(text): int(hours * HOUR) for text, hours in spent.items()}
    return balance_of(Budget(**given), days, day(today))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("carry", "most", "spent", "left"),
    [
        ("none", None, {"2026-01-10": 4}, 10),
        ("unused", None, {"2026-01-10": 4}, 26),
        ("unused", None, {"2026-01-10": 14, "2026-02-01": 10}, 10),
        ("all", None, {"2026-01-10": 14, "2026-02-01": 10}, 6),
        ("unused", 5, {}, 15),
        ("all", 2, {"2026-01-10": 30, "2026-02-01": 8}, 10),
    ],
)
def test_what_is_left_in_march(carry: str, most: float | None, spent: dict[str, float], left: float) -> None:
    """Ten hours a month from January on: what goes from period to period is what carry_over says."""
    found = balance("2026-03-15", spent, carry_over=carry, most_carried=None if most is None else int(most * HOUR))
    assert left * HOUR == found.remaining


@pytest.mark.parametrize(
    ("today", "first", "last"),
    [
        ("2026-03-14", "2026-02-15", "2026-03-14"),
        ("2026-03-15", "2026-03-15", "2026-04-14"),
        ("2026-01-01", "2025-12-15", "2026-01-14"),
    ],
)
def test_a_period_begins_on_the_reset_day(today: str, first: str, last: str) -> None:
    """The day before belongs to the period before."""
    found = balance(today, {}, reset_day=15, start=None)
    assert (day(first), day(last)) == (found.first, found.last)


def test_thresholds_are_told_once_each_and_together_when_passed_together() -> None:
    """80 % makes a mail, 100 % another one in the same period; both at once make one, of 100 %."""
    at_80 = balance("2026-01-20", {"2026-01-10": 8})
    due = due_warning(at_80, ())
    assert due is not None
    assert (80, ()) == (due.threshold, due.also)
    told = {("b", "2026-01-01", 80)}
    assert due_warning(at_80, told) is None
    above = due_warning(balance("2026-01-20", {"2026-01-10": 11}), told)
    assert above is not None
    assert 100 == above.threshold
    both = due_warning(balance("2026-01-20", {"2026-01-10": 11}), ())
    assert both is not None
    assert (100, (80,)) == (both.threshold, both.also)
    assert due_warning(balance("2026-01-20", {"2026-01-10": 7.99}), ()) is None


def test_a_budget_counts_its_projects_or_its_customers_issues() -> None:
    """Issues by mail of that project, or of that domain; others and entries on no such issue do not count."""
    timelines = timelines_of([issue(1), issue(2, project="sales"), issue(3, domain="other.example")], [], CLOSING)
    entries = [entry(1, 1, issue=1), entry(2, 10, issue=2), entry(3, 100, issue=3), entry(4, 1000, issue=9)]
    found = [sum(spent_by_day(Budget("b", 1, **of), timelines, entries).values())
             for of in ({"project": "support"}, {"customer": "client.example"})]  # fmt: skip
    assert [101, 11] == found


def test_nothing_allowed_and_something_spent_is_all_of_it() -> None:
    """A month eaten up before it began is at 100 %, without dividing by nothing."""
    found = balance("2026-02-10", {"2026-01-10": 20, "2026-02-02": 1}, carry_over="all")
    assert (0, 100, (80, 100)) == (found.allowed, found.percent, found.passed)

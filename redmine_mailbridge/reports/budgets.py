"""Budgets: so many hours a month for a project or a customer, carried over or not, and what is left. Pure."""

import datetime as dt
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from redmine_mailbridge.reports.issue_timeline import IssueTimeline
from redmine_mailbridge.reports.report import hours_of
from redmine_mailbridge.store.time_entries import UNITS_PER_HOUR, TimeEntry
from redmine_mailbridge.util.dataclass import dataclass

CarryOver = Literal["none", "unused", "all"]


@dataclass(frozen=True, slots=True)
class Budget:
    """So many units of 12 seconds a month. `project` (identifier) or `customer` (domain, lower case), or both.

    A period begins on `reset_day` (1 to 28) of each month. `carry_over`: what is left counts for the next period
    ("unused"), what was spent too much does so too ("all"), at most `most_carried` units of it. Counting begins with
    the period of `start`; None: with the present one.
    """

    name: str
    units_of_12s: int
    project: str | None = None
    customer: str | None = None
    carry_over: CarryOver = "none"
    most_carried: int | None = None
    reset_day: int = 1
    start: dt.date | None = None
    thresholds: tuple[int, ...] = (80, 100)


@dataclass(frozen=True, slots=True)
class Balance:
    """A budget in one period, in units of 12 seconds."""

    budget: Budget
    first: dt.date
    last: dt.date
    carried: int
    spent: int

    @property
    def allowed(self) -> int:
        """What may be spent: the month's own hours, and what was carried over."""
        return self.budget.units_of_12s + self.carried

    @property
    def remaining(self) -> int:
        """What is left; below zero when too much was spent."""
        return self.allowed - self.spent

    @property
    def percent(self) -> Decimal:
        """How much of it is spent, in percent, to the tenth; 100 where nothing may be spent and something was."""
        if self.allowed <= 0:
            return Decimal(100 if self.spent or self.allowed < 0 else 0)
        exact = Fraction(self.spent * 1000, self.allowed)
        return Decimal(exact.numerator // exact.denominator) / 10

    @property
    def passed(self) -> tuple[int, ...]:
        """The thresholds in percent that are reached, in order."""
        return tuple(
            sorted(threshold for threshold in self.budget.thresholds if self.spent > 0 and self._reached(threshold))
        )

    def _reached(self, percent: int) -> bool:
        return self.allowed <= 0 or self.spent * 100 >= self.allowed * percent

    @property
    def period(self) -> str:
        """The period's name: its first day."""
        return self.first.isoformat()

    @property
    def scope(self) -> str:
        """What it is for, in words."""
        parts = ("project", self.budget.project), ("customer", self.budget.customer)
        return ", ".join(f"{what} {name}" for what, name in parts if name is not None)

    def variables(self, threshold: int) -> dict[str, str]:
        """Given the threshold of the warning, return the variables of the mail's template; hours with two decimals."""
        return {
            "name": self.budget.name,
            "scope": self.scope,
            "since": self.first.isoformat(),
            "until": self.last.isoformat(),
            "hours": str(hours_of(self.allowed)),
            "spent": str(hours_of(self.spent)),
            "left": str(hours_of(self.remaining)),
            "percent": str(self.percent),
            "threshold": str(threshold),
        }


@dataclass(frozen=True, slots=True)
class DueWarning:
    """A warning that is due: a balance, the threshold to tell of, and those below it that need no mail any more."""

    balance: Balance
    threshold: int
    also: tuple[int, ...]


def units_of_hours(hours: Decimal) -> int:
    """Given hours as an admin writes them, return units of 12 seconds."""
    return int((hours * UNITS_PER_HOUR).to_integral_value())


def spent_by_day(
    budget: Budget, timelines: Mapping[int, IssueTimeline], entries: Iterable[TimeEntry]
) -> dict[dt.date, int]:
    """Given a budget, the issues that came by mail and time entries, return what counts against it, by day."""
    days: dict[dt.date, int] = {}
    for entry in entries:
        timeline = timelines.get(entry.issue or 0)
        if timeline is None:
            continue
        if (budget.project is None or timeline.issue.project == budget.project) and (
            budget.customer is None or timeline.issue.domain == budget.customer
        ):
            days[entry.spent_on] = days.get(entry.spent_on, 0) + entry.units_of_12s
    return days


def balance_of(budget: Budget, days: Mapping[dt.date, int], today: dt.date) -> Balance:
    """Given a budget, what was spent by day, and a day, return the balance in that day's period."""
    carried, balance = 0, None
    for first in _periods(budget, today):
        last = _next(first, budget.reset_day) - dt.timedelta(days=1)
        spent = sum(units for day, units in days.items() if first <= day <= last)
        balance = Balance(budget, first, last, carried, spent)
        carried = _carried(balance)
    if balance is None:  # it begins in the future
        first = _first(budget.start or today, budget.reset_day)
        last = _next(first, budget.reset_day) - dt.timedelta(days=1)
        balance = Balance(budget, first, last, 0, 0)
    return balance


def balances_of(
    budgets: Iterable[Budget], timelines: Mapping[int, IssueTimeline], entries: Collection[TimeEntry], today: dt.date
) -> list[Balance]:
    """Given budgets and what they count, return today's balance of each."""
    return [balance_of(budget, spent_by_day(budget, timelines, entries), today) for budget in budgets]


def due_warning(balance: Balance, warned: Collection[tuple[str, str, int]]) -> DueWarning | None:
    """Given a balance and the thresholds that were warned of already, return the one warning that is due, if any.

    Several thresholds passed at once make one mail, of the highest.
    """
    of_balance = (balance.budget.name, balance.period)
    new = [threshold for threshold in balance.passed if (*of_balance, threshold) not in warned]
    highest = max((threshold for name, period, threshold in warned if (name, period) == of_balance), default=0)
    if not new or new[-1] < highest:
        return None
    return DueWarning(balance, new[-1], tuple(new[:-1]))


def _carried(balance: Balance) -> int:
    budget = balance.budget
    if budget.carry_over == "none":
        return 0
    left = balance.remaining if budget.carry_over == "all" else max(0, balance.remaining)
    if budget.most_carried is None:
        return left
    return max(-budget.most_carried, min(budget.most_carried, left))


def _periods(budget: Budget, today: dt.date) -> Iterator[dt.date]:
    """The first day of each period from the budget's start to today's."""
    first = _first(budget.start if budget.start is not None else today, budget.reset_day)
    while first <= today:
        yield first
        first = _next(first, budget.reset_day)


def _first(day: dt.date, reset_day: int) -> dt.date:
    """The first day of the period that a day belongs to."""
    if day.day >= reset_day:
        return day.replace(day=reset_day)
    before = day.replace(day=1) - dt.timedelta(days=1)
    return before.replace(day=reset_day)


def _next(first: dt.date, reset_day: int) -> dt.date:
    after = (first.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    return after.replace(day=reset_day)

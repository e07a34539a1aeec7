"""What is computed from time entries and histories, and where it is written: `[aggregate]`, `[[budgets]]`."""

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from redmine_mailbridge.settings.base import Table, key
from redmine_mailbridge.settings.calendars import ZoneName
from redmine_mailbridge.settings.value_types import MailAddress, Name

IssueFigure = Literal[
    "hours", "first_answer", "first_answer_business", "resolution", "resolution_business",
    "mails_in", "mails_out", "reopened",
]  # fmt: skip
ProjectFigure = Literal["hours", "backlog", "budget_hours", "budget_spent", "budget_left"]
HoursNumber = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class AggregateSettings(Table):
    """How hours and times are computed, and which custom fields of Redmine take them."""

    time_zone: ZoneName = key("The time zone in which days and months begin, for reports and budgets.", "UTC")
    sweep: Annotated[int, Field(ge=1, le=100)] = key(
        "How many pages of 100 older time entries each run reads again, to find those that were changed: Redmine "
        "cannot be asked for them.",
        5,
    )
    issue_fields: dict[IssueFigure, Name] = key(
        "Custom fields of issues that take what is computed: hours, first_answer, first_answer_business, resolution, "
        "resolution_business (in hours), mails_in, mails_out, reopened. Written when a value changes, as a change "
        "that Redmine tells its watchers of.",
        {},
    )
    project_fields: dict[ProjectFigure, Name] = key(
        "Custom fields of projects that take what is computed: hours, backlog, and budget_hours, budget_spent, "
        "budget_left of the project's budget in its present period. Needs a key that may edit the project.",
        {},
    )
    most_writes: Annotated[int, Field(ge=1)] = key(
        "How many issues and projects each run writes to at most; the others follow in the next.", 100
    )


class BudgetSettings(Table):
    """So many hours a month for issues that came by mail: of a project, of a customer, or of one in the other."""

    name: Name = key("The budget's name, as warnings and reports show it.")
    project: Name | None = key("The identifier of the project that it is for.", None)
    customer: Name | None = key("The domain of the customer that it is for.", None)
    hours: HoursNumber = key("The hours of one period, which is a month.")
    reset_day: Annotated[int, Field(ge=1, le=28)] = key("The day of the month on which a period begins.", 1)
    carry_over: Literal["none", "unused", "all"] = key(
        'What goes into the next period: nothing, hours that were left ("unused"), or also those that were spent too '
        'much ("all").',
        "none",
    )
    most_carried: HoursNumber | None = key("How many hours are carried over at most.", None, shown="any number")
    start: dt.date | None = key(
        "A day of the first period. Needed to carry hours over.", None, shown="the present period"
    )
    warn_at: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = key(
        "At how many percent a warning goes out by mail, once in a period each.", (80, 100)
    )
    warn: tuple[MailAddress, ...] = key("Whom to warn.", ())

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Refuse a budget for nothing, or one that carries over since ever."""
        if self.project is None and self.customer is None:
            raise ValueError("project: give project or customer")
        if self.carry_over != "none" and self.start is None:
            raise ValueError("start: must be given when hours are carried over")
        if self.start is not None and not 2000 <= self.start.year < 2200:
            raise ValueError(f"start: {self.start} must be a day of the years 2000 to 2199")
        return self

    @property
    def exact_hours(self) -> Decimal:
        """The hours as they were written."""
        return Decimal(str(self.hours))


def same_names(budgets: Iterable[BudgetSettings]) -> Iterator[str]:
    """Given budgets, yield each name that two of them bear: warnings are remembered by it."""
    seen: set[str] = set()
    for budget in budgets:
        if budget.name in seen:
            yield f'budgets: two are named "{budget.name}"'
        seen.add(budget.name)

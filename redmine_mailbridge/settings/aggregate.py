"""What is computed from time entries and histories, and where it is written: `[aggregate]`, `[[budgets]]`."""

import datetime as dt
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.calendars import ZoneName
from redmine_mailbridge.settings.value_types import MailAddress, Name

IssueFigure = Literal[
    "hours", "first_answer", "first_answer_business", "resolution", "resolution_business",
    "mails_in", "mails_out", "reopened",
]  # fmt: skip
ProjectFigure = Literal["hours", "backlog", "budget_hours", "budget_spent", "budget_left"]
HoursNumber = Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]


class AggregateSettings(SettingsTable):
    """How hours and times are computed, and the custom fields of Redmine that store them."""

    time_zone: ZoneName = setting("The time zone in which days and months begin, for reports and budgets.", "UTC")
    sweep: Annotated[int, Field(ge=1, le=100)] = setting(
        "How many pages of 100 older time entries each run reads again to detect changes, since Redmine's API "
        "cannot filter by modification time.",
        5,
    )
    issue_fields: dict[IssueFigure, Name] = setting(
        "Issue custom fields for computed values: hours, first_answer, first_answer_business, resolution, "
        "resolution_business (in hours), mails_in, mails_out, reopened. A field is written when its value changes; "
        "Redmine notifies watchers of that change.",
        {},
    )
    project_fields: dict[ProjectFigure, Name] = setting(
        "Project custom fields for computed values: hours, backlog, and budget_hours, budget_spent, "
        "budget_left of the project's budget in the current period. The API key must be allowed to edit the project.",
        {},
    )
    max_writes: Annotated[int, Field(ge=1)] = setting(
        "Maximum number of issues and projects that a run updates; the next run updates the rest.", 100
    )


class BudgetSettings(SettingsTable):
    """Monthly hours for issues created from mail: of a project, of a customer, or of a customer in a project."""

    name: Name = setting("The budget's name, shown in warnings and reports.")
    project: Name | None = setting("The identifier of the project.", None)
    customer: Name | None = setting("The customer's mail domain.", None)
    hours: HoursNumber = setting("The hours per period (one month).")
    reset_day: Annotated[int, Field(ge=1, le=28)] = setting("The day of the month on which each period begins.", 1)
    carry_over: Literal["none", "unused", "all"] = setting(
        'What goes into the next period: nothing, hours that were left ("unused"), or also those that were spent too '
        'much ("all").',
        "none",
    )
    most_carried: HoursNumber | None = setting("Maximum number of hours carried over.", None, shown="any number")
    start: dt.date | None = setting(
        "A day of the first period. Required to carry hours over.", None, shown="the current period"
    )
    warn_at: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = setting(
        "Percentages at which a warning is sent by mail, each once per period.", (80, 100)
    )
    warn: tuple[MailAddress, ...] = setting("Who receives the warnings.", ())

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Reject a budget without project and customer, and one that carries over without a start."""
        if self.project is None and self.customer is None:
            raise ValueError("project: set project or customer")
        if self.carry_over != "none" and self.start is None:
            raise ValueError("start: is required when hours are carried over")
        if self.start is not None and not 2000 <= self.start.year < 2200:
            raise ValueError(f"start: {self.start} must be in the years 2000 to 2199")
        return self

    @property
    def exact_hours(self) -> Decimal:
        """The hours exactly as written in the settings."""
        return Decimal(str(self.hours))


def same_names(budgets: Iterable[BudgetSettings]) -> Iterator[str]:
    """Given budgets, yield a problem for each name used twice: sent warnings are recorded by name."""
    seen: set[str] = set()
    for budget in budgets:
        if budget.name in seen:
            yield f'budgets: two are named "{budget.name}"'
        seen.add(budget.name)

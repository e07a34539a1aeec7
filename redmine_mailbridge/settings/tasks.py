"""When the scheduled tasks run."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, model_validator

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.base import Table, key
from redmine_mailbridge.settings.calendars import ZoneName
from redmine_mailbridge.settings.value_types import Name, PositiveSpan, parse_span
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.business_time import crontab
else:
    crontab = lazy_import("redmine_mailbridge.business_time.crontab")


def _crontab(value: str) -> str:
    """Given a crontab line, return it. Raise ValueError when the scheduler could not follow it."""
    try:
        crontab.crontab(value)
    except SettingsError as error:
        raise ValueError(str(error).removeprefix(f'cron = "{value}": ')) from error
    return value


class TaskSettings(Table):
    """When a task runs. Either `every` or `cron`. `redmine-mailbridge tasks set` changes it while running."""

    active: bool = key("Whether the task runs by itself.", True)
    every: PositiveSpan | None = key("The time between two runs.", None)
    cron: Annotated[Name, AfterValidator(_crontab)] | None = key(
        'The times as in a crontab, instead of `every`: "*/15 7-19 * * mon-fri". Sunday is 0, 7 or sun; a day '
        "and a day of the week mean either. Where clocks "
        "change, a time that comes twice counts once, and one that is skipped is made up for.",
        None,
        shown="none",
    )
    time_zone: ZoneName | None = key("The time zone of `cron`.", None, shown="this machine's")
    next_run: dt.datetime | None = key("No run by itself before this time.", None, shown="none")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        """Refuse two schedules for one task."""
        if self.cron is not None and "every" in self.model_fields_set:
            raise ValueError("cron: give either every or cron, not both")
        return self


class ReceiveTask(TaskSettings):
    """When mail is read, beside the hints of the servers."""

    every: PositiveSpan | None = key("The time between two runs.", parse_span("5m"))


class UpdateTask(TaskSettings):
    """When replies become notes, agents' answers are sent and the rules of time are applied."""

    every: PositiveSpan | None = key(
        "The time between two runs. With a time of its own (or not active), replies that were received wait for it.",
        None,
        shown="at once after each receive",
    )


class AggregateTask(TaskSettings):
    """When hours and times are computed."""

    every: PositiveSpan | None = key("The time between two runs.", parse_span("1h"))


class TasksSettings(Table):
    """The scheduled tasks."""

    receive: ReceiveTask = key("Read new mail and make issues and notes of it.", ReceiveTask())
    update: UpdateTask = key("Apply replies, send agents' answers, apply the rules of time.", UpdateTask())
    aggregate: AggregateTask = key("Compute hours and times.", AggregateTask())

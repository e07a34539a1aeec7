"""When the scheduled tasks run."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, model_validator

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.base import SettingsTable, setting
from redmine_mailbridge.settings.calendars import ZoneName
from redmine_mailbridge.settings.value_types import Name, PositiveSpan, parse_span
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.business_time import crontab
else:
    crontab = lazy_import("redmine_mailbridge.business_time.crontab")


def _crontab(value: str) -> str:
    """Given a crontab line, return it. Raise ValueError if the scheduler does not support it."""
    try:
        crontab.crontab(value)
    except SettingsError as error:
        raise ValueError(str(error).removeprefix(f'cron = "{value}": ')) from error
    return value


class TaskSettings(SettingsTable):
    """When a task runs: `every` or `cron`. `redmine-mailbridge tasks set` changes it at run time."""

    active: bool = setting("Whether the task is scheduled.", True)
    every: PositiveSpan | None = setting("The interval between runs.", None)
    cron: Annotated[Name, AfterValidator(_crontab)] | None = setting(
        'The times in crontab syntax, in place of `every`: "*/15 7-19 * * mon-fri". Sunday is 0, 7 or sun; if both day '
        "and weekday are given, either matches. When clocks "
        "change, a repeated time runs once, and a skipped time runs afterwards.",
        None,
        shown="none",
    )
    time_zone: ZoneName | None = setting("The time zone of `cron`.", None, shown="this machine's")
    next_run: dt.datetime | None = setting("No scheduled run before this time.", None, shown="none")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        """Reject two schedules for one task."""
        if self.cron is not None and "every" in self.model_fields_set:
            raise ValueError("cron: set either every or cron, not both")
        return self


class ReceiveTask(TaskSettings):
    """When mailboxes are polled, in addition to push notifications of the servers."""

    every: PositiveSpan | None = setting("The interval between runs.", parse_span("5m"))


class UpdateTask(TaskSettings):
    """When replies become notes, agents' notes are sent and automation rules run."""

    every: PositiveSpan | None = setting(
        "The interval between runs. If it is set, or the task is not active, received replies wait for the next run.",
        None,
        shown="at once after each receive",
    )


class AggregateTask(TaskSettings):
    """When hours and times are computed."""

    every: PositiveSpan | None = setting("The interval between runs.", parse_span("1h"))


class TasksSettings(SettingsTable):
    """The scheduled tasks."""

    receive: ReceiveTask = setting("Fetch new messages and create issues and notes.", ReceiveTask())
    update: UpdateTask = setting("Add replies as notes, send agents' notes, run automation rules.", UpdateTask())
    aggregate: AggregateTask = setting("Compute hours and times.", AggregateTask())

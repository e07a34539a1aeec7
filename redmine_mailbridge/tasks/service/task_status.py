"""The current schedule of each task and whether its runs were on time, for the service, the commands and the pages.

A change made at runtime is stored, overrides the settings file, and is displayed next to the file's value.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.tasks import TaskSettings
from redmine_mailbridge.settings.value_types import format_span, parse_span
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import Override, TaskRun, TaskState
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import
from redmine_mailbridge.util.suggest import did_you_mean

if TYPE_CHECKING:
    from redmine_mailbridge.business_time import crontab
else:  # slow to load, and only crontab lines need it
    crontab = lazy_import("redmine_mailbridge.business_time.crontab")

TASKS = ("receive", "update", "aggregate")
LATE = 10.0
"""A run that starts more than this many seconds after its planned time counts as late."""
ON_TIME = "{n} on time"
WAS_LATE = "{n} late, by up to {worst} s (the machine was busy or asleep)"
LEFT_OUT = "{n} left out: the run before was still going, so it takes longer than its interval"


NO_RUN = "no run yet"
NO_PLANNED_RUN = "no scheduled run in the last day"


@dataclass(frozen=True, slots=True)
class TaskSchedule:
    """The schedule of a task. With neither `every` nor `cron`, it runs after each receive.

    `overridden`: the keys changed at runtime, each with the formatted value from the file.
    """

    name: str
    active: bool
    every: dt.timedelta | None
    cron: str | None
    zone: ZoneInfo | None
    next_run: dt.datetime | None
    overridden: Mapping[str, str]

    @property
    def runs_after_receive(self) -> bool:
        """Whether the task runs after each receive."""
        return self.every is None and self.cron is None

    @property
    def frequency(self) -> str:
        """The schedule in words."""
        return frequency(self.every, self.cron)


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One line of the list of tasks. `on_schedule` says whether the runs were on time; `last` is None before the first.

    `next_at` is None when no run is scheduled or no service is running; `kept_parts` are the texts of `on_schedule`
    with their values, for translation.
    """

    plan: TaskSchedule
    last: TaskRun | None
    next_at: dt.datetime | None
    state: str
    on_schedule: str
    is_kept: bool
    kept_parts: tuple[tuple[str, Mapping[str, int]], ...] = ()


def frequency(every: dt.timedelta | None, cron: str | None) -> str:
    """Given a schedule, return it in words."""
    if cron is not None:
        return f"cron {cron}"
    return f"every {format_span(every)}" if every is not None else "after each receive"


def plans(settings: Settings, overrides: Mapping[str, Override]) -> dict[str, TaskSchedule]:
    """Given the settings and the runtime changes, return the current schedules.

    A mailbox with its own interval has its own task "receive:NAME".
    """
    schedules = {}
    for name in TASKS:
        task_settings: TaskSettings = getattr(settings.tasks, name)
        schedules[name] = _plan(name, task_settings, overrides.get(name, Override()))
    receive = schedules["receive"]
    for name, box in settings.active_mailboxes.items():
        if box.every is not None:
            own = TaskSettings(active=receive.active, every=box.every)
            schedules[f"receive:{name}"] = _plan(f"receive:{name}", own, overrides.get(f"receive:{name}", Override()))
    return schedules


def _plan(name: str, from_file: TaskSettings, changed: Override) -> TaskSchedule:
    every, cron = from_file.every if from_file.cron is None else None, from_file.cron
    before: dict[str, str] = {}
    if changed.every is not None or changed.cron is not None:
        before["frequency"] = frequency(every, cron)
        every, cron = (dt.timedelta(seconds=changed.every) if changed.every else None), changed.cron
    if changed.active is not None and changed.active != from_file.active:
        before["active"] = "active" if from_file.active else "not active"
    next_run = from_file.next_run.astimezone(dt.UTC) if from_file.next_run else None
    if changed.next_run is not None:
        before["next run"] = "by its frequency"
        next_run = dt.datetime.fromtimestamp(changed.next_run, dt.UTC)
    active = from_file.active if changed.active is None else changed.active
    zone = ZoneInfo(from_file.time_zone) if from_file.time_zone else None
    return TaskSchedule(name, active, every, cron, zone, next_run, before)


def overview(settings: Settings, store: Store, book: TaskState) -> list[TaskStatus]:
    """Given the settings and the store, return every task with its last and next run and whether runs were on time."""
    serving, stopped, nexts = is_running(store), book.stopped, book.next_runs()
    now = store.clock()
    views = []
    for name, plan in plans(settings, book.overrides()).items():
        runs = book.runs(name)
        begun = [run for run in runs if not run.skipped]
        is_kept, parts = _kept(runs, now)
        at = nexts.get(name) if serving and plan.active and not stopped else None
        views.append(
            TaskStatus(
                plan=plan,
                last=begun[0] if begun else None,
                next_at=dt.datetime.fromtimestamp(at, dt.UTC) if at else None,
                state=_state(plan, begun, serving=serving, stopped=stopped),
                on_schedule=", ".join(text.format(**values) for text, values in parts) or no_planned_run(begun),
                is_kept=is_kept,
                kept_parts=parts,
            )
        )
    return views


def no_planned_run(runs: Sequence[TaskRun]) -> str:
    """Given the runs of a task without a scheduled one in the last day, return that in words."""
    return NO_PLANNED_RUN if runs else NO_RUN


def _state(plan: TaskSchedule, runs: Sequence[TaskRun], *, serving: bool, stopped: bool) -> str:
    if stopped:
        return "stopped"
    if not plan.active:
        return "paused"
    if not serving:
        return "no service"
    return "running" if runs and runs[0].ended_at is None else "waiting"


def _kept(runs: Sequence[TaskRun], now: float) -> tuple[bool, tuple[tuple[str, Mapping[str, int]], ...]]:
    """Given runs, newest first, return whether those of the last day were on time, and counts of the others."""
    planned = [run for run in runs if run.planned_at is not None and run.began_at > now - 86_400]
    if not planned:
        return True, ()
    left_out = [run for run in planned if run.skipped]
    late = [run for run in planned if not run.skipped and run.began_at - (run.planned_at or 0) > LATE]
    on_time = len(planned) - len(left_out) - len(late)
    parts: list[tuple[str, Mapping[str, int]]] = [(ON_TIME, {"n": on_time})]
    if late:
        worst = max(run.began_at - (run.planned_at or 0) for run in late)
        parts.append((WAS_LATE, {"n": len(late), "worst": round(worst)}))
    if left_out:
        parts.append((LEFT_OUT, {"n": len(left_out)}))
    return not late and not left_out, tuple(parts)


def is_running(store: Store) -> bool:
    """Whether a service or a single pass is currently using this store."""
    return store.is_locked("service")


def known_task(name: str, settings: Settings) -> str:
    """Given a task's name, return it. Raise SettingsError with a suggestion if it does not exist."""
    known = list(plans(settings, {}))
    if name not in known:
        hint = did_you_mean(name, known) or f"; the tasks are {', '.join(known)}"
        raise SettingsError(f'task "{name}" does not exist{hint}')
    return name


A_MINUTE = 60
"""A time up to this many seconds ago counts as now, since times are entered in minutes."""


@dataclass(frozen=True, slots=True)
class TaskChange:
    """The changes that an admin makes to a task; None leaves a value unchanged."""

    active: bool | None = None
    every: dt.timedelta | None = None
    cron: str | None = None
    next_run: dt.datetime | None = None

    def __str__(self) -> str:
        values = {
            "active": None if self.active is None else "yes" if self.active else "no",
            "every": format_span(self.every) if self.every is not None else None,
            "cron": self.cron,
            "next run": self.next_run.isoformat(" ", "minutes") if self.next_run is not None else None,
        }
        return ", ".join(f"{name} = {value}" for name, value in values.items() if value is not None)


def change(book: TaskState, name: str, task_change: TaskChange) -> Override:
    """Given a task and changes, store them as overrides of the settings file. Return all overrides of the task.

    Raise SettingsError if the changes contradict each other.
    """
    if task_change.every is not None and task_change.cron is not None:
        raise SettingsError("give either --every or --cron, not both")
    if task_change.cron is not None:
        crontab.crontab(task_change.cron)
    if task_change.every is not None and task_change.every <= dt.timedelta(0):
        raise SettingsError("--every must be longer than 0s")
    if task_change.next_run is not None and task_change.next_run.timestamp() < book.clock() - A_MINUTE:
        raise SettingsError(f"--next-run {task_change.next_run.isoformat(' ', 'minutes')} is past")

    def changed(old: Override) -> Override:
        if task_change.every is not None or task_change.cron is not None:
            seconds = task_change.every.total_seconds() if task_change.every is not None else None
            old = replace(old, every=seconds, cron=task_change.cron)
        if task_change.active is not None:
            old = replace(old, active=task_change.active)
        if task_change.next_run is not None:
            old = replace(old, next_run=task_change.next_run.timestamp())
        return old

    return book.override(name, changed)


def reset(book: TaskState, name: str) -> None:
    """Given a task, delete its overrides so that the settings file applies again."""
    book.override(name, lambda _old: Override())


def parse_span_or_say(option: str, value: str) -> dt.timedelta:
    """Given an option's value, return the span. Raise SettingsError naming the option."""
    try:
        return parse_span(value)
    except ValueError as error:
        raise SettingsError(f'{option} "{value}": {error}') from error


def parse_time(option: str, value: str) -> dt.datetime:
    """Given an option's value, return the time; without a zone it is this machine's. Raise SettingsError."""
    try:
        return dt.datetime.fromisoformat(value).astimezone(dt.UTC)
    except ValueError as error:
        raise SettingsError(f'{option} "{value}": must be a time such as "2026-12-01 07:00"') from error

"""What is in force for each scheduled task, and how it has kept its times: for the service, the commands, the pages.

A change made while running stands above the settings file, lives in the store, and is shown beside the file's value.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from redmine_mailbridge.business_time.crontab import crontab
from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.tasks import TaskSettings
from redmine_mailbridge.settings.value_types import format_span, parse_span
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import Override, TaskBook, TaskRun
from redmine_mailbridge.util.suggest import did_you_mean

TASKS = ("receive", "update", "aggregate")
LATE = 10.0
"""Seconds after its time from which on a run counts as late."""
ON_TIME = "{n} on time"
WAS_LATE = "{n} late, by up to {worst} s (the machine was busy or asleep)"
LEFT_OUT = "{n} left out: the run before was still going, so it takes longer than its interval"


NO_RUN = "no run yet"
NO_PLANNED_RUN = "no run by its times in the last day"


@dataclass(frozen=True, slots=True)
class TaskPlan:
    """When a task runs. `every` and `cron` both None: right after each receive.

    `overridden`: the keys that were changed while running, with the file's value of each in words.
    """

    name: str
    active: bool
    every: dt.timedelta | None
    cron: str | None
    zone: ZoneInfo | None
    next_run: dt.datetime | None
    overridden: Mapping[str, str]

    @property
    def follows(self) -> bool:
        """Does it run right after each receive?"""
        return self.every is None and self.cron is None

    @property
    def frequency(self) -> str:
        """The times in words."""
        return frequency(self.every, self.cron)


@dataclass(frozen=True, slots=True)
class TaskView:
    """One line of the list of tasks. `kept` says whether the intervals were kept, `last` is None before any run.

    `next_at` is None when it does not run by itself, or no service runs; `kept_parts` are the texts of `kept` with
    their values, for other languages.
    """

    plan: TaskPlan
    last: TaskRun | None
    next_at: dt.datetime | None
    state: str
    kept: str
    is_kept: bool
    kept_parts: tuple[tuple[str, Mapping[str, int]], ...] = ()


def frequency(every: dt.timedelta | None, cron: str | None) -> str:
    """Given a schedule, return it in words."""
    if cron is not None:
        return f"cron {cron}"
    return f"every {format_span(every)}" if every is not None else "after each receive"


def plans(settings: Settings, overrides: Mapping[str, Override]) -> dict[str, TaskPlan]:
    """Given settings and what was changed while running, return what is in force.

    A mailbox with an interval of its own is a task "receive:NAME" of its own.
    """
    found = {}
    for name in TASKS:
        given: TaskSettings = getattr(settings.tasks, name)
        found[name] = _plan(name, given, overrides.get(name, Override()))
    receive = found["receive"]
    for name, box in settings.active_mailboxes.items():
        if box.every is not None:
            own = TaskSettings(active=receive.active, every=box.every)
            found[f"receive:{name}"] = _plan(f"receive:{name}", own, overrides.get(f"receive:{name}", Override()))
    return found


def _plan(name: str, given: TaskSettings, changed: Override) -> TaskPlan:
    every, cron = given.every if given.cron is None else None, given.cron
    before: dict[str, str] = {}
    if changed.every is not None or changed.cron is not None:
        before["frequency"] = frequency(every, cron)
        every, cron = (dt.timedelta(seconds=changed.every) if changed.every else None), changed.cron
    if changed.active is not None and changed.active != given.active:
        before["active"] = "active" if given.active else "not active"
    next_run = given.next_run.astimezone(dt.UTC) if given.next_run else None
    if changed.next_run is not None:
        before["next run"] = "by its frequency"
        next_run = dt.datetime.fromtimestamp(changed.next_run, dt.UTC)
    active = given.active if changed.active is None else changed.active
    zone = ZoneInfo(given.time_zone) if given.time_zone else None
    return TaskPlan(name, active, every, cron, zone, next_run, before)


def overview(settings: Settings, store: Store) -> list[TaskView]:
    """Given settings and the store, return every task with its last run, its next one, and how it keeps its times."""
    book = TaskBook(store.database, store.clock)
    serving, stopped, nexts = is_running(store), book.stopped, book.next_runs()
    now = store.clock()
    views = []
    for name, plan in plans(settings, book.overrides()).items():
        runs = book.runs(name)
        begun = [run for run in runs if not run.skipped]
        is_kept, parts = _kept(runs, now)
        at = nexts.get(name) if serving and plan.active and not stopped else None
        views.append(
            TaskView(
                plan=plan,
                last=begun[0] if begun else None,
                next_at=dt.datetime.fromtimestamp(at, dt.UTC) if at else None,
                state=_state(plan, begun, serving=serving, stopped=stopped),
                kept=", ".join(text.format(**values) for text, values in parts) or no_planned_run(begun),
                is_kept=is_kept,
                kept_parts=parts,
            )
        )
    return views


def no_planned_run(runs: Sequence[TaskRun]) -> str:
    """Given the runs of a task without one in the last day that its times brought about, return that in words."""
    return NO_PLANNED_RUN if runs else NO_RUN


def _state(plan: TaskPlan, runs: Sequence[TaskRun], *, serving: bool, stopped: bool) -> str:
    if stopped:
        return "stopped"
    if not plan.active:
        return "paused"
    if not serving:
        return "no service"
    return "running" if runs and runs[0].ended_at is None else "waiting"


def _kept(runs: Sequence[TaskRun], now: float) -> tuple[bool, tuple[tuple[str, Mapping[str, int]], ...]]:
    """Given runs, newest first, say whether those of the last day came at their times, and what went otherwise."""
    planned = [run for run in runs if run.planned_at is not None and run.began_at > now - 86_400]
    if not planned:
        return True, ()
    left_out = [run for run in planned if run.skipped]
    late = [run for run in planned if not run.skipped and run.began_at - (run.planned_at or 0) > LATE]
    on_time = len(planned) - len(left_out) - len(late)
    words: list[tuple[str, Mapping[str, int]]] = [(ON_TIME, {"n": on_time})]
    if late:
        worst = max(run.began_at - (run.planned_at or 0) for run in late)
        words.append((WAS_LATE, {"n": len(late), "worst": round(worst)}))
    if left_out:
        words.append((LEFT_OUT, {"n": len(left_out)}))
    return not late and not left_out, tuple(words)


def is_running(store: Store) -> bool:
    """Does a service (or a single pass) work on this store now?"""
    return store.is_locked("service")


def known_task(name: str, settings: Settings) -> str:
    """Given a task's name, return it. Raise SettingsError with the likely one when there is none of that name."""
    known = list(plans(settings, {}))
    if name not in known:
        hint = did_you_mean(name, known) or f": there are {', '.join(known)}"
        raise SettingsError(f'there is no task "{name}"{hint}')
    return name


A_MINUTE = 60
"""So many seconds ago is "now" for who types minutes."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an admin wants changed of a task; None leaves it."""

    active: bool | None = None
    every: dt.timedelta | None = None
    cron: str | None = None
    next_run: dt.datetime | None = None


def change(book: TaskBook, name: str, wanted: Change) -> Override:
    """Given a task and what to change, keep that above the settings file. Return all that is changed now.

    Raise SettingsError when the wish makes no sense.
    """
    if wanted.every is not None and wanted.cron is not None:
        raise SettingsError("give either --every or --cron, not both")
    if wanted.cron is not None:
        crontab(wanted.cron)
    if wanted.every is not None and wanted.every <= dt.timedelta(0):
        raise SettingsError("--every must be longer than 0s")
    if wanted.next_run is not None and wanted.next_run.timestamp() < book.clock() - A_MINUTE:
        raise SettingsError(f"--next-run {wanted.next_run.isoformat(' ', 'minutes')} is past")

    def changed(old: Override) -> Override:
        if wanted.every is not None or wanted.cron is not None:
            seconds = wanted.every.total_seconds() if wanted.every is not None else None
            old = replace(old, every=seconds, cron=wanted.cron)
        if wanted.active is not None:
            old = replace(old, active=wanted.active)
        if wanted.next_run is not None:
            old = replace(old, next_run=wanted.next_run.timestamp())
        return old

    return book.override(name, changed)


def reset(book: TaskBook, name: str) -> None:
    """Given a task, let the settings file count again."""
    book.override(name, lambda _old: Override())


def parse_span_or_say(option: str, value: str) -> dt.timedelta:
    """Given what stands behind an option, return the span. Raise SettingsError naming the option."""
    try:
        return parse_span(value)
    except ValueError as error:
        raise SettingsError(f'{option} "{value}": {error}') from error


def parse_time(option: str, value: str) -> dt.datetime:
    """Given what stands behind an option, return the time; without a zone it is this machine's. Raise SettingsError."""
    try:
        return dt.datetime.fromisoformat(value).astimezone(dt.UTC)
    except ValueError as error:
        raise SettingsError(f'{option} "{value}": must be a time such as "2026-12-01 07:00"') from error

"""A task in a list: a few lines for people, one object for machines."""

import datetime as dt
import json

from redmine_mailbridge.settings.value_types import format_span
from redmine_mailbridge.store.task_state import TaskRun
from redmine_mailbridge.tasks.service.task_status import TaskStatus


def lines(view: TaskStatus, now: dt.datetime) -> list[str]:
    """Given a task's status, return its lines; times in the machine's zone."""
    plan = view.plan
    text = [f"{plan.name:<10} {plan.frequency}, {view.state}"]
    text += [
        f"           {key} was changed at run time; in the settings file: {configured}"
        for key, configured in plan.overridden.items()
    ]
    text.append(f"           last run: {_last(view.last)}")
    if view.next_at is not None:
        text.append(f"           next run: {_at(view.next_at)} ({_in(view.next_at - now)})")
    text.append(f"           on schedule: {view.on_schedule}")
    return text


def _last(run: TaskRun | None) -> str:
    if run is None:
        return "none yet"
    began = dt.datetime.fromtimestamp(run.began_at, dt.UTC)
    if run.ended_at is None:
        return f"{_at(began)}, not finished"
    counts = f"{run.done} done" + (f", {run.failed} failed" if run.failed else "")
    error = f": {run.error}" if run.error else ""
    return f"{_at(began)}, {run.ended_at - run.began_at:.1f} s, {counts}{error}"


def _at(moment: dt.datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _in(span: dt.timedelta) -> str:
    seconds = dt.timedelta(seconds=round(span.total_seconds()))
    return f"in {format_span(seconds)}" if seconds > dt.timedelta(0) else "now"


def as_json(view: TaskStatus) -> str:
    """Given a task's status, return it as one JSON object; times in seconds since the epoch, UTC."""
    plan, last = view.plan, view.last
    return json.dumps(
        {
            "task": plan.name,
            "state": view.state,
            "active": plan.active,
            "every": plan.every.total_seconds() if plan.every else None,
            "cron": plan.cron,
            "changed": dict(plan.overridden),
            "last_began": last.began_at if last else None,
            "last_ended": last.ended_at if last else None,
            "last_done": last.done if last else None,
            "last_failed": last.failed if last else None,
            "last_error": last.error if last else None,
            "next_run": view.next_at.timestamp() if view.next_at else None,
            "kept": view.is_kept,
            "kept_words": view.on_schedule,
        },
        ensure_ascii=False,
    )

"""The scheduled tasks: when each runs, how it kept its times, and what may be changed of it."""

import datetime as dt
from collections.abc import Mapping

from starlette.responses import Response

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.value_types import format_span
from redmine_mailbridge.store.health import SERVICE, alive
from redmine_mailbridge.tasks.service.task_status import (
    TaskChange,
    TaskSchedule,
    change,
    known_task,
    overview,
    parse_span_or_say,
    plans,
    reset,
)
from redmine_mailbridge.web.request import PageRequest

_FIELDS = ("every", "cron", "next_run", "active")
FUNCTIONS = {
    "receive": "Reads new mail and creates issues and notes.",
    "update": "Sends agents' answers and applies automation rules.",
    "aggregate": "Computes hours, response times and budgets.",
}


def show(call: PageRequest) -> Response:
    """Every task in a table, each with a form to change it."""
    return _page(call)


def switch(call: PageRequest) -> Response:
    """Pause all processing, or resume it."""
    word = call.typed("do")
    if word == "stop":
        call.context.book.stop()
    elif word == "start":
        call.context.book.start()
    else:
        return call.to("/tasks")
    call.audit(word)
    notices = {"stop": "Stopped: no mail is read or sent until you start it again.", "start": "Started."}
    return call.back(call.words(notices[word]), "/tasks")


def run(call: PageRequest) -> Response:
    """Have a task run now: all mailboxes, one ("receive:NAME"), or another task."""
    name = call.typed("task")
    mailbox = name.removeprefix("receive:")
    if mailbox not in call.context.settings.active_mailboxes:
        try:
            known_task(name, call.context.settings)
        except SettingsError as error:
            return call.back(str(error), "/tasks")
    call.context.book.request_run(name)
    call.audit("run", name)
    return call.back(call.words("{name} starts now; the result appears here.", name=name), "/tasks")


def edit(call: PageRequest) -> Response:
    """TaskChange when a task runs, whether it runs, its next run; or let the settings file count again."""
    name = str(call.request.path_params["name"])
    try:
        known_task(name, call.context.settings)
        if call.typed("do") == "reset":
            reset(call.context.book, name)
            call.audit("reset", name)
            return call.to("/tasks", call.words("{name} follows the settings file again.", name=name))
        task_change = _changes_typed(
            call, _present(call, plans(call.context.settings, call.context.book.overrides())[name])
        )
        if task_change == TaskChange():
            return call.to("/tasks", call.words("Nothing was changed: {name} runs as before.", name=name))
        change(call.context.book, name, task_change)
    except SettingsError as error:
        return _page(call, problem=str(error), status=400)
    call.audit("set", f"{name}: {task_change}")
    return call.to("/tasks", call.words("{name} was changed.", name=name))


def halted(call: PageRequest) -> str:
    """Why nothing that was noted of a mailbox holds now: "stopped" by an admin, "no service"; "" when it does."""
    if call.context.book.stopped:
        return "stopped"
    return "" if alive(call.context.health.all().get(SERVICE), call.now) else "no service"


def _page(call: PageRequest, *, problem: str = "", status: int = 200) -> Response:
    views = overview(call.context.settings, call.context.store, call.context.book)
    return call.render(
        "tasks.html",
        status,
        title=call.words("Tasks"),
        problem=problem,
        functions=FUNCTIONS,
        views=views,
        forms={view.plan.name: _present(call, view.plan) for view in views},
        stopped=call.context.book.stopped,
    )


def _present(call: PageRequest, plan: TaskSchedule) -> dict[str, str]:
    """What the form of a task is filled with: the values in force."""
    at = plan.next_run.astimezone(call.zone) if plan.next_run else None
    return {
        "every": format_span(plan.every) if plan.every is not None else "",
        "cron": plan.cron or "",
        "next_run": at.strftime("%Y-%m-%dT%H:%M") if at else "",
        "active": "on" if plan.active else "off",
    }


def _changes_typed(call: PageRequest, present: Mapping[str, str]) -> TaskChange:
    """What the form has that differs from the present values; an empty field leaves what is. Raise SettingsError."""
    typed = {name: call.typed(name) for name in present}
    every, cron, moment, active = (typed[name] if typed[name] != present[name] else "" for name in _FIELDS)
    return TaskChange(
        active={"on": True, "off": False}.get(active),
        every=parse_span_or_say("every", every) if every else None,
        cron=cron or None,
        next_run=_moment(call, moment) if moment else None,
    )


def _moment(call: PageRequest, text: str) -> dt.datetime:
    """A time as a browser's field has it, in the viewer's zone."""
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=call.zone).astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:  # year 1 and year 9999 have no UTC everywhere
        raise SettingsError(call.words("Not a valid time: {text}", text=text)) from error

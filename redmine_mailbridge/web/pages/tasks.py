"""The scheduled tasks: when each runs, how it kept its times, and what may be changed of it."""

import datetime as dt

from starlette.responses import Response

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.store.task_state import TaskBook
from redmine_mailbridge.tasks.service.task_status import Change, change, known_task, overview, parse_span_or_say, reset
from redmine_mailbridge.web.request import Call

FUNCTIONS = {
    "receive": "Reads new mail and makes issues and notes of it.",
    "update": "Brings issues on: replies, agents' answers, rules of time.",
    "aggregate": "Computes hours, times and budgets.",
}


def show(call: Call) -> Response:
    """Every task in a table, each with a form to change it."""
    return _page(call)


def switch(call: Call) -> Response:
    """Stop the whole synchronisation, or let it go on."""
    word = call.typed("do")
    if word == "stop":
        book(call).stop()
    elif word == "start":
        book(call).start()
    else:
        return call.to("/tasks")
    call.audit(word)
    said = {"stop": "Stopped: no mail is read, nothing is sent, until you start it.", "start": "It goes on."}
    return call.back(call.words(said[word]), "/tasks")


def run(call: Call) -> Response:
    """Have a task run now: all mailboxes, one ("receive:NAME"), or another task."""
    name = call.typed("task")
    mailbox = name.removeprefix("receive:")
    if mailbox not in call.desk.settings.active_mailboxes:
        try:
            known_task(name, call.desk.settings)
        except SettingsError as error:
            return call.back(str(error), "/tasks")
    book(call).wish(name)
    call.audit("run", name)
    return call.back(call.words("{name} runs now; what it does appears here.", name=name), "/tasks")


def edit(call: Call) -> Response:
    """Change when a task runs, whether it runs, its next run; or let the settings file count again."""
    name = str(call.request.path_params["name"])
    try:
        known_task(name, call.desk.settings)
        if call.typed("do") == "reset":
            reset(book(call), name)
            call.audit("reset", name)
            return call.to("/tasks", call.words("{name} follows the settings file again.", name=name))
        wanted = _wanted(call)
        change(book(call), name, wanted)
    except SettingsError as error:
        return _page(call, problem=str(error), status=400)
    call.audit("set", f"{name}: {_told(wanted)}")
    return call.to("/tasks", call.words("{name} is changed.", name=name))


def book(call: Call) -> TaskBook:
    """What the store knows of the tasks."""
    return TaskBook(call.desk.store.database, call.desk.store.clock)


def _page(call: Call, *, problem: str = "", status: int = 200) -> Response:
    return call.render(
        "tasks.html",
        status,
        title=call.words("Tasks"),
        problem=problem,
        functions=FUNCTIONS,
        views=overview(call.desk.settings, call.desk.store),
        stopped=book(call).stopped,
    )


def _wanted(call: Call) -> Change:
    """What the form says; a field that is empty leaves what is. Raise SettingsError."""
    every, cron, moment = call.typed("every"), call.typed("cron"), call.typed("next_run")
    active = {"on": True, "off": False}.get(call.typed("active"))
    return Change(
        active=active,
        every=parse_span_or_say("every", every) if every else None,
        cron=cron or None,
        next_run=_moment(call, moment) if moment else None,
    )


def _moment(call: Call, text: str) -> dt.datetime:
    """A time as a browser's field has it, in the viewer's zone."""
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=call.zone).astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:  # year 1 and year 9999 have no UTC everywhere
        raise SettingsError(call.words("That is no time: {text}", text=text)) from error


def _told(wanted: Change) -> str:
    told = {
        "active": wanted.active,
        "every": wanted.every,
        "cron": wanted.cron,
        "next run": wanted.next_run.isoformat(" ", "minutes") if wanted.next_run else None,
    }
    return ", ".join(f"{name} = {value}" for name, value in told.items() if value is not None)

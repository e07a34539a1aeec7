"""The mailboxes: settings in force and their origins, checks with live lines, folders, the release of a brake."""

from starlette.responses import Response

from redmine_mailbridge.checks.folders import folder_checks
from redmine_mailbridge.checks.servers import server_checks
from redmine_mailbridge.settings.effective import Value, values
from redmine_mailbridge.store.folder_cursors import ALL_NEW
from redmine_mailbridge.store.health import of_mailbox
from redmine_mailbridge.tasks.receive.admin_decisions import hurry_mailboxes
from redmine_mailbridge.web.background_jobs import Work
from redmine_mailbridge.web.request import Call
from redmine_mailbridge.wiring import application, oauth


def listing(call: Call) -> Response:
    """All mailboxes of the settings."""
    boxes = call.desk.settings.mailboxes
    return call.render(
        "mailboxes.html",
        title=call.words("Mailboxes"),
        boxes=boxes,
        health={name: call.desk.health.all().get(of_mailbox(name)) for name in boxes},
        piles=call.desk.figures.piles(boxes),
    )


def show(call: Call) -> Response:
    """One mailbox."""
    name = _name(call)
    if name is None:
        return unknown(call)
    found = [value for value in values(call.desk.loaded) if f"{value.table}.".startswith(f"mailboxes.{name}.")]
    return call.render(
        "mailbox.html",
        title=name,
        name=name,
        box=call.desk.settings.mailboxes[name],
        tables=by_table(found, f"mailboxes.{name}"),
        condition=call.desk.health.all().get(of_mailbox(name)),
        pile=call.desk.figures.piles([name])[name],
    )


def settings(call: Call) -> Response:
    """All settings that are not a mailbox's."""
    found = [value for value in values(call.desk.loaded) if not value.table.startswith("mailboxes.")]
    return call.render(
        "settings.html", title=call.words("Settings"), tables=by_table(found, ""), path_of=call.desk.loaded.path
    )


def check(call: Call) -> Response:
    """Begin to try the mailbox, or with no name everything, and show what is found as it is found."""
    name = _name(call)
    if name is None and "name" in call.request.path_params:
        return unknown(call)
    only = [name] if name is not None else list(call.desk.settings.active_mailboxes)
    call.audit("check", name or "")
    settings = call.desk.settings
    return _begin(call, name or "all", lambda: server_checks(settings, only=only))


def folders(call: Call) -> Response:
    """Begin to count what lies in each folder of the account."""
    name = _name(call)
    if name is None:
        return unknown(call)
    box = call.desk.settings.mailboxes[name]
    tokens = oauth.late(call.desk.settings, name)
    return _begin(call, name, lambda: folder_checks(name, box, application.mailbox(name, box, tokens=tokens)))


def job(call: Call) -> Response:
    """What a check has found so far."""
    found = call.desk.jobs.get(call.request.path_params["job"])
    if found is None:
        return call.render(
            "error.html",
            404,
            title=call.words("Not found"),
            reason=call.words("This check is forgotten: only the last ones are kept. Begin it again."),
        )
    return call.render("job.html", title=found.title, job=found, lines=list(found.lines))


def release(call: Call) -> Response:
    """Let a mailbox go on that stopped because very much was suddenly new."""
    name = _name(call)
    if name is None:
        return unknown(call)
    if call.desk.store.release(name, ALL_NEW) is None:
        return call.to(f"/mailboxes/{name}", call.words("{name} has not stopped: nothing changes", name=name))
    hurry_mailboxes(call.desk.store, [name])
    call.audit("release", name)
    return call.to(f"/mailboxes/{name}", call.words("{name} goes on with the next receive", name=name))


def by_table(found: list[Value], above: str) -> dict[str, list[Value]]:
    """Given values, return them by their table, without the part of its name that all share."""
    tables: dict[str, list[Value]] = {}
    for value in found:
        tables.setdefault(value.table.removeprefix(above).lstrip("."), []).append(value)
    return tables


def unknown(call: Call) -> Response:
    """There is no such mailbox."""
    return call.render("error.html", 404, title=call.words("Not found"), reason=call.words("There is no such mailbox."))


def _name(call: Call) -> str | None:
    name = call.request.path_params.get("name")
    return name if name in call.desk.settings.mailboxes else None


def _begin(call: Call, title: str, work: Work) -> Response:
    name = call.desk.jobs.start(call.words("Check: {what}", what=title), work)
    if name is None:
        return call.back(call.words("Several checks are running already: wait for one to end."), "/mailboxes")
    return call.to(f"/checks/{name}")

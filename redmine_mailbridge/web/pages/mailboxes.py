"""The mailboxes: settings in force and their origins, checks with live lines, folders, resuming a paused mailbox."""

from starlette.responses import Response

from redmine_mailbridge.checks.folders import folder_checks
from redmine_mailbridge.checks.servers import server_checks
from redmine_mailbridge.settings.effective import values
from redmine_mailbridge.store.folder_cursors import ALL_NEW
from redmine_mailbridge.store.health import of_mailbox
from redmine_mailbridge.tasks.receive.admin_decisions import hurry_mailboxes
from redmine_mailbridge.util.certificates import server_name
from redmine_mailbridge.web.background_jobs import Work
from redmine_mailbridge.web.pages.settings import anchor, by_table
from redmine_mailbridge.web.pages.tasks import halted
from redmine_mailbridge.web.request import PageRequest
from redmine_mailbridge.wiring import oauth
from redmine_mailbridge.wiring.mailboxes import mailbox_of


def listing(call: PageRequest) -> Response:
    """All mailboxes of the settings."""
    boxes, health = call.context.settings.mailboxes, call.context.health.all()
    return call.render(
        "mailboxes.html",
        title=call.words("Mailboxes"),
        boxes=boxes,
        halted=halted(call),
        health={name: health.get(of_mailbox(name)) for name in boxes},
        counts=call.context.statistics.mailbox_counts(boxes),
    )


def show(call: PageRequest) -> Response:
    """One mailbox."""
    name = _name(call)
    if name is None:
        return unknown(call)
    box = call.context.settings.mailboxes[name]
    everything = call.query("all") == "1"
    listed_values = [
        value
        for value in values(call.context.loaded)
        if f"{value.table}.".startswith(f"mailboxes.{name}.") and (everything or value.origin.kind != "default")
    ]
    return call.render(
        "mailbox.html",
        title=name,
        name=name,
        halted=halted(call),
        box=box,
        tables=by_table(listed_values, f"mailboxes.{name}"),
        anchor=anchor,
        all=everything,
        condition=call.context.health.all().get(of_mailbox(name)),
        certificate_until=call.context.certificates.all().get(server_name(box.host, box.port)),
        count=call.context.statistics.mailbox_counts([name])[name],
    )


def check(call: PageRequest) -> Response:
    """Begin to try the mailbox, or with no name everything, and show what is found as it is found."""
    name = _name(call)
    if name is None and "name" in call.request.path_params:
        return unknown(call)
    only = [name] if name is not None else list(call.context.settings.active_mailboxes)
    call.audit("check", name or "")
    settings = call.context.settings
    return _begin(call, name or "all", lambda: server_checks(settings, only=only))


def folders(call: PageRequest) -> Response:
    """Begin to count what lies in each folder of the account."""
    name = _name(call)
    if name is None:
        return unknown(call)
    box = call.context.settings.mailboxes[name]
    tokens = oauth.late(call.context.settings, name)
    return _begin(call, name, lambda: folder_checks(name, box, mailbox_of(name, box, tokens=tokens)))


def job(call: PageRequest) -> Response:
    """What a check has found so far."""
    check_job = call.context.jobs.get(call.request.path_params["job"])
    if check_job is None:
        return call.render(
            "error.html",
            404,
            title=call.words("Not found"),
            reason=call.words("This check is no longer stored. Start it again."),
        )
    return call.render("job.html", title=check_job.title, job=check_job, lines=list(check_job.lines))


def release(call: PageRequest) -> Response:
    """Resume a mailbox that paused because of too many new messages."""
    name = _name(call)
    if name is None:
        return unknown(call)
    if call.context.store.release(name, ALL_NEW) is None:
        return call.to(f"/mailboxes/{name}", call.words("{name} is not paused; nothing changed", name=name))
    hurry_mailboxes(call.context.book, [name])
    call.audit("release", name)
    return call.to(f"/mailboxes/{name}", call.words("{name} resumes with the next receive", name=name))


def unknown(call: PageRequest) -> Response:
    """This mailbox does not exist."""
    return call.render(
        "error.html", 404, title=call.words("Not found"), reason=call.words("This mailbox does not exist.")
    )


def _name(call: PageRequest) -> str | None:
    name = call.request.path_params.get("name")
    return name if name in call.context.settings.mailboxes else None


def _begin(call: PageRequest, title: str, work: Work) -> Response:
    name = call.context.jobs.start(call.words("Check: {what}", what=title), work)
    if name is None:
        return call.back(call.words("Several checks are already running. Wait for one to finish."), "/mailboxes")
    return call.to(f"/checks/{name}")

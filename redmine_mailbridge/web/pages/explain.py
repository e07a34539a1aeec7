"""Drop a mail, see what would become of it."""

from starlette.responses import Response

from redmine_mailbridge.errors import RedmineError
from redmine_mailbridge.tasks.receive.explain import Explanation, explain
from redmine_mailbridge.web.request import PageRequest

LARGEST = 50_000_000


def form(call: PageRequest) -> Response:
    """Where a mail can be dropped."""
    return _page(call, None)


def plan(call: PageRequest) -> Response:
    """What would become of the mail that was dropped."""
    uploaded = call.file("mail")
    content = uploaded.file.read(LARGEST) if uploaded is not None else call.typed("text").encode("utf-8", "replace")
    mailbox = call.typed("mailbox")
    if not content or mailbox not in call.context.settings.active_mailboxes:
        return _page(call, None, call.words("Choose a mailbox and a file, or paste the source of a mail."))
    try:
        return _page(call, explain(call.context.planner, content, mailbox))
    except RedmineError as error:
        return _page(call, None, str(error))


def _page(call: PageRequest, explained: Explanation | None, problem: str = "") -> Response:
    return call.render(
        "explain.html",
        title=call.words("Explain"),
        explained=explained,
        problem=problem,
        mailbox=call.typed("mailbox"),
        redmine=call.context.settings.redmine.url,
    )

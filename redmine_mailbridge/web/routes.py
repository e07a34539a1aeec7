"""Which address leads to which page."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from redmine_mailbridge.web.context import AppContext
from redmine_mailbridge.web.pages import (
    explain,
    log,
    login,
    mailboxes,
    messages,
    oauth,
    outgoing,
    overview,
    probes,
    reports,
    senders,
    settings,
    tasks,
    templates,
)
from redmine_mailbridge.web.request import Page, PageRequest
from redmine_mailbridge.web.security import LARGEST_BODY, SecurityMiddleware
from redmine_mailbridge.web.views import FORM, Access, view

GET: dict[str, Page] = {
    "/": overview.show,
    "/tasks": tasks.show,
    "/messages": messages.search,
    "/messages/{id:number}": messages.show,
    "/messages/{id:number}/original": messages.frame,
    "/messages/{id:number}/raw.eml": messages.raw,
    "/messages/{id:number}/attachments/{number:number}": messages.attachment,
    "/not-imported": messages.not_imported,
    "/not-imported.csv": messages.export,
    "/outgoing": outgoing.show,
    "/senders": senders.show,
    "/mailboxes": mailboxes.listing,
    "/mailboxes/{name}": mailboxes.show,
    "/checks/{job}": mailboxes.job,
    "/oauth": oauth.show,
    oauth.ANSWER: oauth.answered,
    "/settings": settings.show,
    "/reports": reports.show,
    "/reports/report.{style}": reports.download,
    "/templates": templates.listing,
    "/templates/{kind}": templates.preview,
    "/templates/{kind}/html": templates.frame,
    "/explain": explain.form,
    "/log": log.show,
    "/log/new": log.new,
    "/log/download": log.download,
    "/changes": log.changes,
}
POST: dict[str, Page] = {
    "/logout": login.sign_out,
    "/messages/decide": messages.decision,
    "/senders/decide": senders.decide,
    "/messages/requester": messages.requester,
    "/outgoing/decide": outgoing.decide,
    "/tasks/run": tasks.run,
    "/tasks/switch": tasks.switch,
    "/tasks/{name}": tasks.edit,
    "/mailboxes/{name}/check": mailboxes.check,
    "/mailboxes/{name}/folders": mailboxes.folders,
    "/mailboxes/{name}/release": mailboxes.release,
    "/check": mailboxes.check,
    "/settings/reload": settings.read_again,
    "/oauth/begin": oauth.begin,
    "/oauth/forget": oauth.forget,
    "/explain": explain.plan,
}
PUBLIC: dict[str, Page] = {
    "/healthz": probes.healthz,
    "/readyz": probes.readyz,
    "/health": probes.health,
    "/metrics": probes.metrics,
}

ACCESS = {"/logout": Access.LEAVES, oauth.ANSWER: Access.CHANGES}
"""Where a GET does more than look, since a provider leads the browser back by one, and a POST needs no right."""
UPLOADS = {"/explain": LARGEST_BODY}
"""Bytes of the forms that take a file."""
SIGN_IN_FORM = 64_000


def make(context: AppContext) -> ASGIApp:
    """Given what the pages work with, return the application, guarded."""
    routes: list[Route | Mount] = [
        Route("/login", view(context, login.sign_in_form, Access.PUBLIC)),
        Route("/login", view(context, login.sign_in, Access.PUBLIC, largest=SIGN_IN_FORM), methods=["POST"]),
        *(Route(path, view(context, page, Access.PUBLIC)) for path, page in PUBLIC.items()),
        *(Route(path, view(context, page, ACCESS.get(path, Access.LOOKS))) for path, page in GET.items()),
        *(
            Route(
                path,
                view(context, page, ACCESS.get(path, Access.CHANGES), largest=UPLOADS.get(path, FORM)),
                methods=["POST"],
            )
            for path, page in POST.items()
        ),
        Mount("/static", _Static(directory=Path(__file__).parent / "static"), name="static"),
    ]
    app = Starlette(routes=routes, exception_handlers={404: _failed(context, 404), 500: _failed(context, 500)})
    return SecurityMiddleware(GZipMiddleware(app, minimum_size=1000), context.settings.admin)


class _Static(StaticFiles):
    """Files that browsers may keep: their addresses carry the version."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """As starlette's, kept for a day."""
        answer = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = "private, max-age=86400"
        return answer


ERRORS = {
    404: ("Not found", "This page does not exist."),
    500: ("Internal error", "The service log has the details. Please report this error."),
}


def _failed(context: AppContext, status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The page for an unknown address or an internal error."""

    def page(call: PageRequest) -> Response:
        title, reason = ERRORS[status]
        return call.render("error.html", status, title=call.words(title), reason=call.words(reason))

    endpoint = view(context, page, Access.LOOKS if status == 404 else Access.PUBLIC)

    async def answer(request: Request, _error: Exception) -> Response:
        return await endpoint(Request({**request.scope, "method": "GET"}))  # its form was read, or cannot be

    return answer

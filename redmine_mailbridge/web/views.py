"""From a request to a page: who may ask for it, what is read of what was sent, and in which thread the page runs."""

from collections.abc import Awaitable, Callable
from enum import Enum, auto

import anyio.to_thread
import structlog
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.web.context import AppContext
from redmine_mailbridge.web.redmine_user import CannotBeAsked, SignInRefused
from redmine_mailbridge.web.request import COOKIE, Page, PageRequest

log = structlog.get_logger(__name__)

_FIELDS, _FILES = 2000, 20
FORM = 1_000_000
"""Bytes of a form without a file."""


class Access(Enum):
    """Who may ask for a page, and what it does."""

    PUBLIC = auto()
    """Anybody."""
    LOOKS = auto()
    """Who is signed in."""
    CHANGES = auto()
    """Who is signed in and may do so, as Redmine says at that moment."""
    LEAVES = auto()
    """Who is signed in, without a question whether the person still may be."""


def view(
    context: AppContext, page: Page, access: Access = Access.LOOKS, *, largest: int = FORM
) -> Callable[[Request], Awaitable[Response]]:
    """Given a page, return the endpoint: finds the session, then reads the form, of so many bytes at most, and runs the
    page in a thread. The body of a request without a session is not read.
    """

    async def endpoint(request: Request) -> Response:
        call = PageRequest(context, request)
        refusal = await run_in_threadpool(_admit, call, access)
        if refusal is not None:
            return refusal
        if request.method != "POST":
            return await run_in_threadpool(_answer, call, page, access)
        sent = Request(request.scope, bounded(request.receive, largest))
        files = 0 if access is Access.PUBLIC else _FILES
        async with sent.form(max_fields=_FIELDS, max_files=files) as call.form:
            local = call.typed("way") == "password"
            limiter = None if access is not Access.PUBLIC else context.local_sign_ins if local else context.sign_ins
            return await anyio.to_thread.run_sync(_answer, call, page, access, limiter=limiter)

    return endpoint


def bounded(receive: Receive, most: int) -> Receive:
    """Given where a body comes from, return the same with an end: HTTPException 413 after so many bytes."""
    seen = 0

    async def receiving() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise HTTPException(413, f"At most {most:,} bytes.")
        return message

    return receiving


def _admit(call: PageRequest, access: Access) -> Response | None:
    """Find the session. Return the way to the door when there is none."""
    token = call.request.cookies.get(COOKIE, "")
    polled = "hx-request" in call.request.headers
    try:
        call.session = call.context.sessions.find(token, touch=not polled) if token else None
    except MailbridgeError as error:
        return _failed(call, error)
    return None if call.session is not None or access is Access.PUBLIC else _to_the_door(call, polled=polled)


def _answer(call: PageRequest, page: Page, access: Access) -> Response:
    try:
        if access is Access.PUBLIC:
            _drop_who_is_none(call)
        elif access is not Access.LEAVES:
            call.hold(changes=access is Access.CHANGES)
        return page(call)
    except CannotBeAsked as error:
        words = call.words("Your administrator rights cannot be verified at the moment, so nothing was changed.")
        return _failed(call, error, f"{words} {call.words(str(error))}")
    except SignInRefused as error:
        return _put_out(call, error)
    except MailbridgeError as error:
        return _failed(call, error)


def _drop_who_is_none(call: PageRequest) -> None:
    """A person whose session has ended, or cannot be checked, is anonymous on public pages."""
    try:
        call.hold(changes=False)
    except SignInRefused:
        call.session = None


def _failed(call: PageRequest, error: MailbridgeError, words: str | None = None) -> Response:
    log.warning("admin.failed", page=call.request.url.path, reason=str(error))
    return call.render("error.html", 503, title=call.words("The request failed"), reason=words or str(error))


def _put_out(call: PageRequest, error: SignInRefused) -> Response:
    """The session has ended: show the sign-in form with the reason."""
    log.warning("admin.session_ended", login=call.who, reason=str(error))
    call.audit("signed out", str(error))
    call.session = None
    if "hx-request" in call.request.headers:
        return _to_the_door(call, polled=True)
    return call.door(call.words(str(error)), 403)


def _to_the_door(call: PageRequest, *, polled: bool) -> Response:
    if polled:
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    request = call.request
    path = request.url.path.removeprefix(call.context.settings.admin.prefix)
    target = f"{path}?{request.url.query}" if request.url.query else path
    return call.to("/login", next=target if request.method == "GET" and target != "/" else None)

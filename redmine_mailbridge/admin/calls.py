"""One request as a page sees it: who asks, in which language and zone, what was typed; and the ways to answer.

Pages are plain functions of a `Call`. They run in a thread of their own, so they may ask the store and servers.
"""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from urllib.parse import quote, urlencode

import anyio.to_thread
import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Message, Receive

from redmine_mailbridge import __version__
from redmine_mailbridge.admin import charts, shown
from redmine_mailbridge.admin.desk import Desk
from redmine_mailbridge.admin.redmine_user import CannotBeAsked, SignInRefused
from redmine_mailbridge.admin.words import Words, best
from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.store.admin import Session

log = structlog.get_logger(__name__)

COOKIE = "mailbridge_session"
ZONE = "mailbridge_zone"
_FIELDS, _FILES = 2000, 20
FORM = 1_000_000
"""Bytes of a form without a file."""
_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}")
Page = Callable[["Call"], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("redmine_mailbridge.admin"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["size"] = shown.size
    made.globals.update(
        version=__version__, tones=shown.TONES, state_of=shown.state_of, timing=shown.timing, charts=charts
    )
    return made


TEMPLATES = _environment()


@dataclass(slots=True)
class Call:
    """A request to one page, with what it needs to answer."""

    desk: Desk
    request: Request
    form: FormData = field(default_factory=FormData)
    session: Session | None = None
    words: Words = field(init=False)
    now: float = field(init=False)

    def __post_init__(self) -> None:
        wanted = self.desk.settings.admin.language
        self.words = Words(best(self.request.headers.get("accept-language", ""), wanted))
        self.now = time.time()

    @property
    def zone(self) -> Any:
        """The viewer's time zone, as the browser has said."""
        return shown.zone_of(self.request.cookies.get(ZONE))

    @property
    def who(self) -> str:
        """The login of who is signed in."""
        return self.session.login if self.session else ""

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return self.request.client.host if self.request.client else ""

    @property
    def secure(self) -> bool:
        """Does the browser speak TLS (to us, or to the proxy in front)?"""
        return self.request.url.scheme == "https" or (self.desk.settings.admin.url or "").startswith("https:")

    def query(self, name: str) -> str:
        """A parameter of the address, trimmed, "" when it is not there."""
        return (self.request.query_params.get(name) or "").strip()[:500]

    def number(self, name: str) -> int | None:
        """A whole number of the address, None when it is none."""
        text = self.query(name)
        return int(text) if re.fullmatch("[0-9]{1,15}", text) else None

    def typed(self, name: str) -> str:
        """A field of the form, trimmed, "" when it is not there."""
        value = self.form.get(name)
        return value.strip() if isinstance(value, str) else ""

    def typed_numbers(self, name: str) -> tuple[int, ...]:
        """All whole numbers of a field that may be there several times."""
        values = [value for value in self.form.getlist(name) if isinstance(value, str)]
        return tuple(dict.fromkeys(int(value) for value in values if re.fullmatch("[0-9]{1,15}", value)))

    def file(self, name: str) -> UploadFile | None:
        """An uploaded file, None when there is none."""
        value = self.form.get(name)
        return value if isinstance(value, UploadFile) and value.filename else None

    def path(self, path: str, **query: object) -> str:
        """Given a path of ours, return it as the browser must ask for it."""
        given = {name: str(value) for name, value in query.items() if value not in (None, "")}
        return self.desk.settings.admin.prefix + quote(path) + (f"?{urlencode(given)}" if given else "")

    def render(self, template: str, status: int = 200, **values: object) -> Response:
        """Given a template and its values, return the page."""
        notice = self.session.notice if self.session else None
        if self.session is not None and notice and "hx-request" not in self.request.headers:
            self.desk.sessions.say(self.session, None)
        text = TEMPLATES.get_template(template).render(
            call=self,
            _=self.words,
            desk=self.desk,
            session=self.session,
            notice=notice,
            here=self.request.url.path.removeprefix(self.desk.settings.admin.prefix),
            path=self.path,
            ago=self.ago,
            clock=lambda at: shown.clock(at, self.zone),
            **values,
        )
        return HTMLResponse(text, status)

    def ago(self, at: Any) -> Markup:
        """A time, relative, with the exact one on hover."""
        return shown.moment(at, self.words, self.zone, self.now)

    def to(self, path: str, notice: str = "", **query: object) -> Response:
        """Go on to a page of ours, which says the notice once."""
        if notice and self.session is not None:
            self.desk.sessions.say(self.session, notice[:2000])
        return RedirectResponse(self.path(path, **query), 303)

    def back(self, notice: str = "", otherwise: str = "/") -> Response:
        """Go on to where the form says that it stood ("back"), if that is a path of ours."""
        if notice and self.session is not None:
            self.desk.sessions.say(self.session, notice[:2000])
        return RedirectResponse(self.desk.settings.admin.prefix + local_path(self.typed("back"), otherwise), 303)

    def door(self, problem: str = "", status: int = 200, following: str = "") -> Response:
        """The form to sign in with, perhaps with what is wrong and where to go on to."""
        return self.render(
            "login.html",
            status,
            title=self.words("Sign in"),
            problem=problem,
            following=local_path(following),
            has_password=self.desk.door.has_password,
            login=self.typed("login"),
        )

    def audit(self, action: str, detail: str = "") -> None:
        """Write down what the person changes."""
        self.desk.audit.add(self.who, action, detail, address=self.address)


def local_path(path: str, otherwise: str = "/") -> str:
    """Given a path from outside, return it when it is one of our own pages, else another one."""
    return path if _LOCAL_PATH.fullmatch(path) else otherwise


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


def view(desk: Desk, page: Page, access: Access = Access.LOOKS, *, largest: int = FORM) -> Endpoint:
    """Given a page, return the endpoint: finds the session, then reads the form, of so many bytes at most, and runs the
    page in a thread. What nobody who is signed in sends is not read.
    """

    async def endpoint(request: Request) -> Response:
        call = Call(desk, request)
        refusal = await run_in_threadpool(_admit, call, access)
        if refusal is not None:
            return refusal
        if request.method != "POST":
            return await run_in_threadpool(_answer, call, page, access)
        sent = Request(request.scope, bounded(request.receive, largest))
        files = 0 if access is Access.PUBLIC else _FILES
        async with sent.form(max_fields=_FIELDS, max_files=files) as call.form:
            limiter = desk.sign_ins if access is Access.PUBLIC else None
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


def _admit(call: Call, access: Access) -> Response | None:
    """Find the session. Return the way to the door when there is none."""
    token = call.request.cookies.get(COOKIE, "")
    polled = "hx-request" in call.request.headers
    try:
        call.session = call.desk.sessions.find(token, touch=not polled) if token else None
    except MailbridgeError as error:
        return _failed(call, error)
    return None if call.session is not None or access is Access.PUBLIC else _to_the_door(call, polled=polled)


def _answer(call: Call, page: Page, access: Access) -> Response:
    try:
        if call.session is not None and access in (Access.LOOKS, Access.CHANGES):
            token = call.request.cookies.get(COOKIE, "")
            call.desk.rights.hold(call.session, token, call.desk.store.clock(), changes=access is Access.CHANGES)
        return page(call)
    except CannotBeAsked as error:
        words = call.words("Whether you still are an administrator cannot be asked just now, so nothing was done.")
        return _failed(call, error, f"{words} {call.words(str(error))}")
    except SignInRefused as error:
        return _put_out(call, error)
    except MailbridgeError as error:
        return _failed(call, error)


def _failed(call: Call, error: MailbridgeError, words: str | None = None) -> Response:
    log.warning("admin.failed", page=call.request.url.path, reason=str(error))
    return call.render("error.html", 503, title=call.words("That did not work"), reason=words or str(error))


def _put_out(call: Call, error: SignInRefused) -> Response:
    """The session has ended, since its person may not go on: say so at the door."""
    log.warning("admin.put_out", login=call.who, reason=str(error))
    call.audit("signed out", str(error))
    call.session = None
    if "hx-request" in call.request.headers:
        return _to_the_door(call, polled=True)
    return call.door(call.words(str(error)), 403)


def _to_the_door(call: Call, *, polled: bool) -> Response:
    if polled:
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    request = call.request
    path = request.url.path.removeprefix(call.desk.settings.admin.prefix)
    asked = f"{path}?{request.url.query}" if request.url.query else path
    return call.to("/login", next=asked if request.method == "GET" and asked != "/" else None)

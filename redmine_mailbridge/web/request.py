"""One request as a page sees it: who asks, in which language and zone, what was typed; and the ways to answer.

Pages are plain functions of a `PageRequest`. They run in a thread of their own, so they may ask the store and servers.
"""

import re
import time
from collections.abc import Callable
from dataclasses import field
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.convertors import Convertor, register_url_convertor
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from redmine_mailbridge import __version__
from redmine_mailbridge.store.admin_sessions import AdminSession
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.web import charts, formatting
from redmine_mailbridge.web.context import AppContext
from redmine_mailbridge.web.i18n import Translations, best
from redmine_mailbridge.web.mail_kinds import MAIL_KINDS

COOKIE = "mailbridge_session"
ZONE = "mailbridge_zone"
_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}")
Page = Callable[["PageRequest"], Response]


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("redmine_mailbridge.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["size"] = formatting.size
    environment.globals.update(
        version=__version__,
        tones=formatting.TONES,
        short_origin=formatting.short_origin,
        mail_kinds=MAIL_KINDS,
        state_of=formatting.state_of,
        timing=formatting.timing,
        charts=charts,
    )
    return environment


TEMPLATES = _environment()


_CONTROLS = dict.fromkeys(
    (*(code for code in range(32) if chr(code) not in "\t\n\r"), *range(127, 160), *range(0xD800, 0xE000)), "\ufffd"
)
"""What HTML may not hold, and strangers' texts do (HTML Living Standard, 13.2.3.5)."""


@dataclass(slots=True)
class PageRequest:
    """A request to one page, with what it needs to answer."""

    context: AppContext
    request: Request
    form: FormData = field(default_factory=FormData)
    session: AdminSession | None = None
    words: Translations = field(init=False)
    now: float = field(init=False)

    def __post_init__(self) -> None:
        language = self.context.settings.admin.language
        self.words = Translations(best(self.request.headers.get("accept-language", ""), language))
        self.now = time.time()

    @property
    def zone(self) -> Any:
        """The viewer's time zone, as the browser has said."""
        return formatting.zone_of(self.request.cookies.get(ZONE))

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
        return self.request.url.scheme == "https" or (self.context.settings.admin.url or "").startswith("https:")

    def query(self, name: str) -> str:
        """A parameter of the address, trimmed, "" when it is not there."""
        return (self.request.query_params.get(name) or "").strip()[:500]

    def number(self, name: str) -> int | None:
        """A whole number of the address, None when it is none."""
        return whole(self.query(name))

    def typed(self, name: str) -> str:
        """A field of the form, trimmed, "" when it is not there."""
        value = self.form.get(name)
        return value.strip() if isinstance(value, str) else ""

    def typed_numbers(self, name: str) -> tuple[int, ...]:
        """All whole numbers of a field that may be there several times."""
        values = [value for value in self.form.getlist(name) if isinstance(value, str)]
        return tuple(dict.fromkeys(number for value in values if (number := whole(value)) is not None))

    def file(self, name: str) -> UploadFile | None:
        """An uploaded file, None when there is none."""
        value = self.form.get(name)
        return value if isinstance(value, UploadFile) and value.filename else None

    def path(self, path: str, **query: object) -> str:
        """Given a path of the application, return it as the browser must request it."""
        parameters = {name: str(value) for name, value in query.items() if value not in (None, "")}
        return self.context.settings.admin.prefix + quote(path) + (f"?{urlencode(parameters)}" if parameters else "")

    def render(self, template: str, status: int = 200, **values: object) -> Response:
        """Given a template and its values, return the page."""
        notice = self.session.notice if self.session else None
        if self.session is not None and notice and "hx-request" not in self.request.headers:
            self.context.sessions.say(self.session, None)
        text = TEMPLATES.get_template(template).render(
            call=self,
            _=self.words,
            context=self.context,
            session=self.session,
            notice=notice,
            here=self.request.url.path.removeprefix(self.context.settings.admin.prefix),
            path=self.path,
            ago=self.ago,
            number=lambda text: formatting.number(text, self.words),
            clock=lambda at: formatting.clock(at, self.zone),
            **values,
        )
        return HTMLResponse(text.translate(_CONTROLS), status)

    def ago(self, at: Any) -> Markup:
        """A time, relative, with the exact one on hover."""
        return formatting.moment(at, self.words, self.zone, self.now)

    def to(self, path: str, notice: str = "", **query: object) -> Response:
        """Redirect to a page of the application, which shows the notice once."""
        if notice and self.session is not None:
            self.context.sessions.say(self.session, notice[:2000])
        return RedirectResponse(self.path(path, **query), 303)

    def back(self, notice: str = "", otherwise: str = "/") -> Response:
        """Redirect to the page of the form (its field "back"), if that is a path of the application."""
        if notice and self.session is not None:
            self.context.sessions.say(self.session, notice[:2000])
        return RedirectResponse(self.context.settings.admin.prefix + local_path(self.typed("back"), otherwise), 303)

    def door(self, problem: str = "", status: int = 200, following: str = "") -> Response:
        """The form to sign in with, with an error and the page to continue with, if any."""
        return self.render(
            "login.html",
            status,
            title=self.words("Sign in"),
            problem=problem,
            following=local_path(following),
            has_password=self.context.door.has_password,
            login=self.typed("login"),
        )

    def hold(self, *, changes: bool) -> None:
        """Return if the signed-in person may continue, or if there is none. Raise SignInRefused or CannotBeAsked."""
        if self.session is not None:
            token = self.request.cookies.get(COOKIE, "")
            self.context.rights.hold(self.session, token, self.context.store.clock(), changes=changes)

    def step(self, line: str) -> str:
        """Given a line that was recorded in English, return it in the viewer's language."""
        return self.words.recorded(line)

    def audit(self, action: str, detail: str = "") -> None:
        """Write down what the person changes."""
        self.context.audit.add(self.who, action, detail, address=self.address)


def whole(text: str, most: int = 10**15) -> int | None:
    """Given a text from outside, return the whole number that it is, None when it is none or more than that."""
    number = int(text) if re.fullmatch("[0-9]{1,16}", text) else None
    return number if number is not None and number <= most else None


class NumberConverter(Convertor[int]):
    """A number within a path, such as that of a mail; longer ones lead nowhere."""

    regex = "[0-9]{1,15}"

    def convert(self, value: str) -> int:
        """Given the text in the path, return the number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Given a number, return its text in the path."""
        return str(value)


register_url_convertor("number", NumberConverter())


def local_path(path: str, otherwise: str = "/") -> str:
    """Given a path from outside, return it when it is one of our own pages, else another one."""
    return path if _LOCAL_PATH.fullmatch(path) else otherwise

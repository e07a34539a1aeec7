"""Signing in at mail providers: by browser and back to this page, or by a code on any device."""

import hmac
from functools import partial
from urllib.parse import urlsplit

from starlette.responses import Response

from redmine_mailbridge.checks.advice import with_advice
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import LoginRefused, ProviderAway, SettingsError
from redmine_mailbridge.oauth.model import ConnectionStatus
from redmine_mailbridge.oauth.terminal_login import by_device
from redmine_mailbridge.web.background_jobs import ReportCheck
from redmine_mailbridge.web.request import PageRequest

STATE = "mailbridge_sign_in"
"""The cookie that binds a sign-in under way to the browser that began it."""
ANSWER = "/oauth/answer"


def show(call: PageRequest) -> Response:
    """The state of each sign-in."""
    return _page(call)


def begin(call: PageRequest) -> Response:
    """Begin to sign in: lead to the provider, or show the code to type."""
    name, how = call.typed("connection"), call.typed("how")
    try:
        if how == "device":
            return _by_device(call, name)
        flow = call.context.signs.begin_code_flow(name, _back(call))
    except (LoginRefused, ProviderAway, SettingsError) as error:
        return _page(call, problem=with_advice(str(error)), status=400)
    call.audit("oauth", f"{name}: begun")
    host = urlsplit(flow.url).hostname or ""
    answer = call.render("oauth_go.html", title=call.words("Sign in at {where}", where=host), url=flow.url, where=host)
    answer.set_cookie(
        STATE,
        flow.state,
        max_age=900,
        path=call.path(ANSWER),
        secure=call.secure,
        httponly=True,
        samesite="lax",
    )
    return answer


def answered(call: PageRequest) -> Response:
    """The provider has sent the browser back: keep what it gave, if this browser has begun it."""
    state = call.request.cookies.get(STATE, "")
    returned_state = call.query("state")
    if not state or not hmac.compare_digest(state.encode(), returned_state.encode()):
        return _page(call, problem=call.words("This sign-in was not started in this browser. Start again."), status=400)
    try:
        standing = call.context.signs.finish_code_flow(f"?{call.request.url.query}", state=state)
    except (LoginRefused, ProviderAway, SettingsError) as error:
        return _page(call, problem=with_advice(str(error)), status=400)
    call.audit("oauth", f"{standing.connection}: signed in as {standing.signed_in_as or '?'}")
    answer = call.to("/oauth", _done(call, standing))
    answer.delete_cookie(STATE, path=call.path(ANSWER))
    return answer


def forget(call: PageRequest) -> Response:
    """Remove what is kept of a sign-in."""
    name = call.typed("connection")
    try:
        gone = call.context.signs.forget(name)
    except SettingsError as error:
        return _page(call, problem=with_advice(str(error)), status=400)
    call.audit("oauth", f"{name}: forgotten")
    notice = "{name}: sign-in deleted." if gone else "{name}: no sign-in was stored."
    return call.to("/oauth", call.words(notice, name=name))


def _by_device(call: PageRequest, name: str) -> Response:
    """The code is the first line of a page that polls until the sign-in is complete."""
    signs = call.context.signs
    signs.connection(name)

    def work(say: ReportCheck) -> None:
        may = partial(call.hold, changes=True)
        standing = by_device(signs, name, lambda line: say(Check(name, None, line)), may=may)
        say(Check(name, True, f"signed in as {standing.signed_in_as or standing.account}"))

    call.audit("oauth", f"{name}: begun by code")
    job = call.context.jobs.begin(call.words("Sign-in: {what}", what=name), work)
    if job is None:
        return call.to("/oauth", call.words("Several checks are already running. Wait for one to finish."))
    return call.to(f"/checks/{job}")


def _done(call: PageRequest, standing: ConnectionStatus) -> str:
    who = standing.signed_in_as
    notice = call.words("{name}: signed in as {who}.", name=standing.connection, who=who or standing.account)
    if "@" in who and who.lower() != standing.account.lower():
        notice += " " + call.words(
            "{account} was expected. Does {who} have access to it?", account=standing.account, who=who
        )
    return notice


def _back(call: PageRequest) -> str:
    """Where the provider sends the browser back to: this page, as the browser knows it."""
    url = call.context.settings.admin.url
    base = url or f"{'https' if call.secure else 'http'}://{call.request.headers['host']}"
    return base.rstrip("/") + ANSWER


def _page(call: PageRequest, *, problem: str = "", status: int = 200) -> Response:
    return call.render(
        "oauth.html",
        status,
        title=call.words("Sign-ins"),
        problem=problem,
        standings=call.context.signs.status(),
        back=_back(call),
    )

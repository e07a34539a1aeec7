"""Signing in and out."""

from starlette.responses import Response

from redmine_mailbridge.web.redmine_user import SignInRefused
from redmine_mailbridge.web.request import COOKIE, PageRequest, local_path


def sign_in_form(call: PageRequest) -> Response:
    """The form; a signed-in person is redirected."""
    if call.session is not None:
        return call.to("/")
    return call.door(following=call.query("next"))


def sign_in(call: PageRequest) -> Response:
    """Take what was typed: in, or back to the form with the reason."""
    local = call.typed("way") == "password"
    value = call.form.get("password")
    password = value if isinstance(value, str) else ""
    if not password or not (local or call.typed("login")):
        return call.door(call.words("Enter a login and a password."), 400, call.typed("next"))
    try:
        person = call.context.door.enter(call.typed("login")[:255], password[:1000], local=local, address=call.address)
    except SignInRefused as error:
        return call.door(call.words(str(error)), 403, call.typed("next"))
    call.context.sessions.end(call.request.cookies.get(COOKIE, ""))
    token = call.context.sessions.begin(person.login, person.name, person.way, person.proof)
    answer = call.to("/")
    answer.headers["location"] = call.context.settings.admin.prefix + local_path(call.typed("next"))
    answer.set_cookie(
        COOKIE,
        token,
        max_age=int(call.context.settings.admin.session_lifetime.total_seconds()),
        path=call.context.settings.admin.prefix or "/",
        secure=call.secure,
        httponly=True,
        samesite="lax",
    )
    return answer


def sign_out(call: PageRequest) -> Response:
    """End the session."""
    call.context.sessions.end(call.request.cookies.get(COOKIE, ""))
    call.audit("signed out")
    answer = call.to("/login")
    answer.delete_cookie(COOKIE, path=call.context.settings.admin.prefix or "/")
    return answer

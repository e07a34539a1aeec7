"""Asks Redmine who somebody is, and whether an administrator: at the sign-in, and again while it lasts."""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import field

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.redmine.responses import asks_for_login
from redmine_mailbridge.redmine.transport import WAY, cause
from redmine_mailbridge.settings.redmine import RedmineSettings
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.wiring.redmine import redmine_connection

CONNECT, READ = 5.0, 10.0
"""Seconds: a person waits before the page."""
_LOGIN = re.compile(r"[A-Za-z0-9_.@-]+")
"""What a login of Redmine, or an API key, consists of (its model User). Anything else is none, but some databases take
"ádmin" for "admin", and Basic ends a login at its first ":" (RFC 7617), so that one login had many names to try.
"""
BEHIND_A_GATEWAY = (
    "Redmine does not accept that. A gateway with its own login in front of it replaces your "
    "password: type your API key (My account) as the login."
)
REFUSED = "Redmine does not accept that. With two-factor sign-in, type your API key as the login."


class SignInRefused(MailbridgeError):
    """The sign-in is refused, or has ended; the text gives the reason to the person who tried."""


class CannotBeAsked(SignInRefused):
    """Redmine gave no answer that says who somebody is."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """Who Redmine says that somebody is; `key` is the person's own API key, with which it can be asked again."""

    login: str
    name: str
    key: str = field(repr=False)


def by_password(redmine: RedmineSettings, login: str, password: str) -> Administrator:
    """Given a Redmine login (or API key) and password, return who that is. Raise SignInRefused if no administrator,
    CannotBeAsked when Redmine does not tell.

    Authorization is the gateway's where one wants it (`gateway_user`, `gateway_headers`): only a key gets through then.
    """
    if not _LOGIN.fullmatch(login):
        raise SignInRefused(BEHIND_A_GATEWAY if redmine.authorizes_at_gateway else REFUSED)
    if redmine.authorizes_at_gateway:
        return by_key(redmine, login)
    proof = b64encode(f"{login}:{password}".encode()).decode()
    return _administrator(redmine, {"Authorization": f"Basic {proof}"})


def by_key(redmine: RedmineSettings, key: str) -> Administrator:
    """Given a person's own API key, return who that is. Raise as `by_password`: Redmine refuses the key of a user who
    is locked, and one that was created again.
    """
    return _administrator(redmine, {"X-Redmine-API-Key": key})


def _administrator(redmine: RedmineSettings, proof: Mapping[str, str]) -> Administrator:
    """GET /users/current.json; `admin` is there for one's own account since Redmine 4.0, `api_key` since 2.3."""
    status, user = _current(redmine, proof)
    try:
        login, admin, key = str(user["login"]), user.get("admin") is True, str(user["api_key"])
    except (KeyError, TypeError, AttributeError):
        raise CannotBeAsked(f"Redmine cannot be asked: it answers {status}, and not with a user.") from None
    if not admin:
        raise SignInRefused(f"{login} is not an administrator of Redmine.")
    name = f"{user.get('firstname', '')} {user.get('lastname', '')}".strip()
    return Administrator(login, name or login, key)


def _current(redmine: RedmineSettings, proof: Mapping[str, str]) -> tuple[int, dict[str, object]]:
    with redmine_connection(redmine).session(CONNECT, READ) as connection:
        headers = {"Accept": "application/json", **proof}
        try:
            answer = connection.get(f"{redmine.url}/users/current.json", headers=headers)
        except WAY as error:
            raise CannotBeAsked(f"Redmine cannot be asked: {cause(error)}.") from None
    if answer.status_code == 401:
        if wants := asks_for_login(answer):
            own = "a gateway in front of it wants a login of its own: set [redmine] gateway_user"
            raise CannotBeAsked(f"Redmine cannot be asked: {wants if redmine.authorizes_at_gateway else own}.")
        raise SignInRefused(BEHIND_A_GATEWAY if redmine.authorizes_at_gateway else REFUSED)
    if answer.status_code == 403:
        raise SignInRefused(
            "Redmine answers 403: is its REST API switched on, and your password not to be changed first?"
        )
    try:
        return answer.status_code, answer.json()["user"]
    except (ValueError, KeyError, TypeError):
        words = f"Redmine cannot be asked: it answers {answer.status_code}, and not with a user."
        raise CannotBeAsked(words) from None

"""Who may come in: an administrator of Redmine, as Redmine itself says, or who knows the local password."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from redmine_mailbridge.admin.passwords import matches
from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.redmine.transport import WAY, cause
from redmine_mailbridge.redmine.transport import Session as Connection
from redmine_mailbridge.settings.models import RedmineSettings
from redmine_mailbridge.store.admin import SIGN_IN, SIGN_IN_REFUSED, Audit

WINDOW = 15 * 60.0
PER_LOGIN, PER_ADDRESS = 5, 20
LOCAL = "admin"


class SignInRefused(MailbridgeError):
    """Nobody came in; the text says why, for the person who tried."""

    permanent = True


@dataclass(frozen=True, slots=True)
class Person:
    """Who came in; `way` is "redmine" or "password"."""

    login: str
    name: str
    way: str


class Door:
    """Lets administrators in, counts who is refused, and remembers neither a password nor what was typed as a login:
    that may have been one, or an API key. `key` makes the word by which tries with the same login are counted.
    """

    def __init__(self, redmine: RedmineSettings, password_hash: Path | None, audit: Audit, *, key: bytes) -> None:
        self._redmine = redmine
        self._password_hash = password_hash
        self._audit = audit
        self._key = key

    @property
    def has_password(self) -> bool:
        """Is there a local password?"""
        return self._password_hash is not None and self._password_hash.is_file()

    def enter(self, login: str, password: str, *, local: bool, address: str) -> Person:
        """Given what was typed and from where, return who that is. Raise SignInRefused, with the reason.

        The try is written down as refused before anything is asked, so that many at once count too.
        """
        who = LOCAL if local else self._somebody(login)
        mine = self._audit.count(SIGN_IN_REFUSED, WINDOW, who=who, address=address)
        all_from_there = self._audit.count(SIGN_IN_REFUSED, WINDOW, address=address)
        if mine >= PER_LOGIN or all_from_there >= PER_ADDRESS:
            raise SignInRefused("Too many attempts. Wait a quarter of an hour, then try again.")
        line = self._audit.add(who, SIGN_IN_REFUSED, "with the local password" if local else "", address=address)
        check: Callable[[], Person] = (
            (lambda: self._local(password)) if local else (lambda: administrator(self._redmine, login, password))
        )
        person = check()
        self._audit.turned_out(line, SIGN_IN, person.login)
        return person

    def _somebody(self, login: str) -> str:
        """Given what was typed as a login, in any case as Redmine takes it, return what stands for it on the record."""
        typed = login.casefold().encode("utf-8", "replace")
        return f"somebody ({hmac.new(self._key, typed, hashlib.sha256).hexdigest()[:12]})"

    def _local(self, password: str) -> Person:
        if self._password_hash is None:
            raise SignInRefused("There is no local password: `redmine-mailbridge admin password` makes one.")
        try:
            line = self._password_hash.read_text("ascii")
        except (OSError, UnicodeDecodeError):
            words = "The local password's file cannot be read; `redmine-mailbridge admin password` writes it."
            raise SignInRefused(words) from None
        if not matches(password, line):
            raise SignInRefused("That password is not right.")
        return Person(LOCAL, LOCAL, "password")


def administrator(redmine: RedmineSettings, login: str, password: str) -> Person:
    """Given a Redmine login (or API key) and password, ask Redmine who that is. Raise SignInRefused if no admin.

    GET /users/current.json with basic authentication; `admin` is there for one's own account since Redmine 4.0.
    """
    with Connection() as connection:
        connection.verify = str(redmine.ca_file) if redmine.ca_file else True
        connection.timeouts = (min(10.0, redmine.timeout.total_seconds()), min(20.0, redmine.timeout.total_seconds()))
        proof = b64encode(f"{login}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {proof}", "Accept": "application/json"}
        try:
            answer = connection.get(f"{redmine.url}/users/current.json", headers=headers)
        except WAY as error:
            raise SignInRefused(f"Redmine cannot be asked: {cause(error)}.") from None
    if answer.status_code in (401, 403):
        raise SignInRefused(
            "Redmine does not accept that. With two-factor sign-in, type your API key as the login."
            if answer.status_code == 401
            else "Redmine answers 403: is its REST API switched on, and your password not to be changed first?"
        )
    try:
        user = answer.json()["user"]
        login, admin = str(user["login"]), user.get("admin") is True
    except (ValueError, KeyError, TypeError):
        raise SignInRefused(f"Redmine cannot be asked: it answers {answer.status_code}, and not with a user.") from None
    if not admin:
        raise SignInRefused(f"{login} is no administrator of Redmine.")
    name = f"{user.get('firstname', '')} {user.get('lastname', '')}".strip()
    return Person(login, name or login, "redmine")

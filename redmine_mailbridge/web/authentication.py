"""Who may come in, and stay: an administrator of Redmine, as Redmine itself says, or who knows the local password."""

import contextlib
import hashlib
import hmac
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path

from redmine_mailbridge.settings.redmine import RedmineSettings
from redmine_mailbridge.store.admin_sessions import SIGN_IN, AdminSession, AdminSessions, Audit
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.web.addresses import network
from redmine_mailbridge.web.passwords import matches
from redmine_mailbridge.web.redmine_user import CannotBeAsked, SignInRefused, by_key, by_password

PER_LOGIN, PER_ADDRESS = 5, 20
"""Refused sign-ins within a quarter of an hour from one address: with one login, and with any."""
LOGIN_ANYWHERE, ANYWHERE = 20, 200
"""The same from all addresses together; who came in from an address lately is not held up there by others' tries."""
AT_ONCE = 2
"""Sign-ins under way from one address."""
ASKED_EVERY, UNASKED_FOR, NOT_AGAIN_FOR = 300.0, 3600.0, 30.0
"""Seconds after which rights are asked again; for which a page may still be looked at while Redmine gives no answer;
and for which it is then let alone.
"""
LOCAL = "admin"


@dataclass(frozen=True, slots=True)
class SignedInPerson:
    """A signed-in person; `way` is "redmine" or "password"; `proof` is what later checks of the rights use."""

    login: str
    name: str
    way: str
    proof: str = field(repr=False)


class Authenticator:
    """Lets administrators in, counts who is refused, and remembers neither a password nor what was typed as a login:
    that may have been one, or an API key. `key` makes the word by which tries with the same login are counted.
    """

    def __init__(self, redmine: RedmineSettings, password_hash: Path | None, audit: Audit, *, key: bytes) -> None:
        self._redmine = redmine
        self._password_hash = password_hash
        self._audit = audit
        self._key = key
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def has_password(self) -> bool:
        """Is there a local password?"""
        return self._password_hash is not None and self._password_hash.is_file()

    def enter(self, login: str, password: str, *, local: bool, address: str) -> SignedInPerson:
        """Given what was typed and from where, return who that is. Raise SignInRefused, with the reason.

        The try is written down as refused before anything is asked, so that many at once count too.
        """
        who = LOCAL if local else self._somebody(login)
        with self._turn(network(address)):
            line = self._audit.attempt(
                who,
                "with the local password" if local else "",
                address,
                lambda tries, known: _refuse_many(who, network(address), tries, known),
            )
            person = self._local(password) if local else self._of_redmine(login, password)
        self._audit.turned_out(line, SIGN_IN, person.login)
        return person

    def line(self) -> str:
        """What is kept of the local password. Raise SignInRefused when there is none, or it cannot be read."""
        if self._password_hash is None:
            raise SignInRefused("No local password is set: `redmine-mailbridge admin password` makes one.")
        try:
            return self._password_hash.read_text("ascii")
        except (OSError, UnicodeDecodeError):
            words = "The local password's file cannot be read; `redmine-mailbridge admin password` writes it."
            raise SignInRefused(words) from None

    def still(self, login: str, way: str, proof: str) -> None:
        """Given a person and the way, check the rights again. Raise SignInRefused if they ended, CannotBeAsked if
        Redmine does not answer.
        """
        if way == "password":
            if not hmac.compare_digest(proof, _digest(self.line())):
                raise SignInRefused("The local password has changed: sign in again.")
            return
        try:
            user = by_key(self._redmine, proof)
        except CannotBeAsked:
            raise
        except SignInRefused:
            raise SignInRefused("Redmine does not take you for an administrator any more: sign in again.") from None
        if user.login != login:
            raise SignInRefused("Redmine knows you by another login now: sign in again.")

    @contextlib.contextmanager
    def _turn(self, place: str) -> Iterator[None]:
        """One of the few sign-ins that may be under way from a place: a slow Redmine does not lock out other people."""
        with self._lock:
            if self._under_way[place] >= AT_ONCE:
                raise SignInRefused("Another sign-in from your address is under way: try again when it has ended.")
            self._under_way[place] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[place] -= 1
                if not self._under_way[place]:
                    del self._under_way[place]

    def _somebody(self, login: str) -> str:
        """Given a typed login, in any case as Redmine takes it, return the key under which it is counted."""
        typed = login.casefold().encode("utf-8", "replace")
        return f"somebody ({hmac.new(self._key, typed, hashlib.sha256).hexdigest()[:12]})"

    def _of_redmine(self, login: str, password: str) -> SignedInPerson:
        user = by_password(self._redmine, login, password)
        return SignedInPerson(user.login, user.name, "redmine", user.key)

    def _local(self, password: str) -> SignedInPerson:
        line = self.line()
        if not matches(password, line):
            raise SignInRefused("The password is incorrect.")
        return SignedInPerson(LOCAL, LOCAL, "password", _digest(line))


class RightsCheck:
    """Whether who is signed in may still do so: asked again before each change, and every few minutes."""

    def __init__(self, door: Authenticator, sessions: AdminSessions) -> None:
        self._door = door
        self._sessions = sessions
        self._unanswered: dict[str, float] = {}

    def hold(self, session: AdminSession, token: str, now: float, *, changes: bool) -> None:
        """Given a session and its token, return if the person may continue. Raise SignInRefused and end the session
        if not; raise CannotBeAsked if Redmine does not answer: changes are refused then, and
        pages are shown for an hour at most.
        """
        age = now - session.asked_at
        fresh = session.way == "redmine" and 0 <= age < ASKED_EVERY
        lately = 0 <= now - self._unanswered.get(session.key, 0.0) < NOT_AGAIN_FOR and 0 <= age < UNASKED_FOR
        if not changes and (fresh or lately):
            return
        try:
            self._door.still(session.login, session.way, self._sessions.proof(session, token))
        except CannotBeAsked:
            if changes or not 0 <= age < UNASKED_FOR:
                raise
            self._unanswered = {key: at for key, at in self._unanswered.items() if now - at < NOT_AGAIN_FOR}
            self._unanswered[session.key] = now
            return
        except SignInRefused:
            self._sessions.end(token)
            raise
        if session.way == "redmine" and not fresh:
            self._sessions.confirmed(session)


def _refuse_many(who: str, place: str, tries: Sequence[tuple[str, str]], known: frozenset[str]) -> None:
    """Given who tries from where, and the refused tries of late, raise SignInRefused when there were too many."""
    here = [login for login, address in tries if network(address) == place]
    known_here = any(network(address) == place for address in known)
    anywhere = [login for login, _ in tries]
    if (
        here.count(who) >= PER_LOGIN
        or len(here) >= PER_ADDRESS
        or (not known_here and (anywhere.count(who) >= LOGIN_ANYWHERE or len(anywhere) >= ANYWHERE))
    ):
        raise SignInRefused("Too many attempts. Wait a quarter of an hour, then try again.")


def _digest(line: str) -> str:
    return hashlib.sha256(line.strip().encode()).hexdigest()

"""What the admin pages store: sessions, manual changes, and the last lines of the log."""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import one_at_a_time
from redmine_mailbridge.store.due import within
from redmine_mailbridge.store.tables import admin_session, audit, log_entry
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from cryptography import fernet
else:
    fernet = lazy_import("cryptography.fernet")

KEPT_ENTRIES = 8000
SIGN_IN, SIGN_IN_REFUSED = "signed in", "sign-in refused"
WINDOW, KNOWN_FOR = 15 * 60.0, 30 * 86_400.0
"""Seconds within which refused sign-ins count, and for which the address of a successful sign-in is known."""


@dataclass(frozen=True, slots=True)
class AdminSession:
    """One session. `key` identifies the row, `way` is "redmine" or "password"; times in epoch seconds.

    `proof`, encrypted, is used to check the user's rights again; `asked_at` is the time of the last check.
    """

    key: str
    login: str
    name: str
    way: str
    created_at: float
    seen_at: float
    notice: str | None
    proof: bytes
    asked_at: float


class AdminSessions:
    """The sessions. The store has only hashes of the tokens, and each proof encrypted with its token, so that a
    copy of the store gives no access, here or to Redmine.
    """

    def __init__(self, database: Database, clock: Callable[[], float], *, lifetime: float, idle: float) -> None:
        self._database = database
        self._clock = clock
        self._lifetime = lifetime
        self._idle = idle

    def begin(self, login: str, name: str, way: str, proof: str) -> str:
        """Given a proven admin and the proof for later checks, return the token of a new session; expired sessions
        are deleted.
        """
        token, now = secrets.token_urlsafe(32), self._clock()
        values = {"key": _key(token), "login": login, "name": name, "way": way, "created_at": now, "seen_at": now}
        values |= {"proof": _seal(token).encrypt(proof.encode()), "asked_at": now}
        with self._database.write() as db:
            over = sa.or_(admin_session.c.created_at < now - self._lifetime, admin_session.c.seen_at < now - self._idle)
            db.execute(sa.delete(admin_session).where(over))
            db.execute(sa.insert(admin_session).values(values))
        return token

    def find(self, token: str, *, touch: bool = True) -> AdminSession | None:
        """Given a token, return its session, None if it does not exist or has expired.

        With `touch` the user was active, so that the session's idle time restarts.
        """
        now = self._clock()
        with self._database.read() as db:
            row = db.execute(sa.select(admin_session).where(admin_session.c.key == _key(token))).first()
        if row is None or row.created_at < now - self._lifetime or row.seen_at < now - self._idle:
            return None
        session = AdminSession(**row._mapping)
        if touch and now - session.seen_at > min(60.0, self._idle / 10):
            self._set(session.key, seen_at=now)
        return session

    def proof(self, session: AdminSession, token: str) -> str:
        """Given a session and its token, return the proof to check the user's rights with, "" if it cannot be
        decrypted."""
        try:
            return str(_seal(token).decrypt(session.proof), "utf-8")
        except fernet.InvalidToken:
            return ""

    def confirmed(self, session: AdminSession) -> None:
        """The user's rights were confirmed."""
        self._set(session.key, asked_at=self._clock())

    def say(self, session: AdminSession, notice: str | None) -> None:
        """Store a line for the session's next page; None deletes it."""
        self._set(session.key, notice=notice)

    def end(self, token: str) -> None:
        """Delete the session."""
        with self._database.write() as db:
            db.execute(sa.delete(admin_session).where(admin_session.c.key == _key(token)))

    def _set(self, key: str, **values: Any) -> None:
        with self._database.write() as db:
            db.execute(sa.update(admin_session).where(admin_session.c.key == key).values(values))


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _seal(token: str) -> Any:
    """Encrypts with a token; only the holder of the token, the browser's cookie, can decrypt."""
    return fernet.Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"proof:{token}".encode()).digest()))


@dataclass(frozen=True, slots=True)
class AuditLine:
    """Who did what, when (epoch seconds) and from which address."""

    id: int
    at: float
    who: str
    address: str
    action: str
    detail: str


class Audit:
    """The audit log of all manual changes. Append-only."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(self, who: str, action: str, detail: str = "", *, address: str = "") -> int:
        """Append an entry. Return its number."""
        values = {"at": self._clock(), "who": who[:255], "address": address, "action": action, "detail": detail[:2000]}
        with self._database.write() as db:
            return int(db.execute(sa.insert(audit).values(values).returning(audit.c.id)).scalar_one())

    def attempt(
        self, who: str, detail: str, address: str, refused: Callable[[Sequence[tuple[str, str]], frozenset[str]], None]
    ) -> int:
        """Record a sign-in as refused before anything is checked, unless there were too many. Return the entry's
        number.

        `refused` receives the refused sign-ins of the last `WINDOW` seconds and the addresses of successful sign-ins
        within `KNOWN_FOR`, and raises if there were too many. Check and insert are atomic: two requests cannot both be
        last.
        """
        now = self._clock()
        tries = sa.select(audit.c.who, audit.c.address).where(
            audit.c.action == SIGN_IN_REFUSED, within(audit.c.at, now, WINDOW)
        )
        came = (
            sa.select(audit.c.address).distinct().where(audit.c.action == SIGN_IN, within(audit.c.at, now, KNOWN_FOR))
        )
        values = {"at": now, "who": who[:255], "address": address, "action": SIGN_IN_REFUSED, "detail": detail[:2000]}
        with self._database.write() as db:
            one_at_a_time(db, "sign-in")
            refused([(row.who, row.address) for row in db.execute(tries)], frozenset(db.execute(came).scalars()))
            return int(db.execute(sa.insert(audit).values(values).returning(audit.c.id)).scalar_one())

    def turned_out(self, line: int, action: str, who: str) -> None:
        """Change an entry's action: a sign-in succeeded after all."""
        with self._database.write() as db:
            db.execute(sa.update(audit).where(audit.c.id == line).values(action=action, who=who[:255]))

    def lines(self, limit: int = 200, *, before: int | None = None) -> list[AuditLine]:
        """The newest entries, newest first; `before` continues after a page."""
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.id < before)
        with self._database.read() as db:
            return [AuditLine(**row._mapping) for row in db.execute(query)]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log; `values` contains everything except time, level, event and mailbox."""

    id: int
    at: float
    level: str
    event: str
    mailbox: str
    values: Mapping[str, Any]


LEVELS = ("debug", "info", "warning", "error", "critical")


class LogBuffer:
    """The last `KEPT_ENTRIES` lines of the log; older lines are deleted automatically."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Given structlog's lines ("timestamp" in epoch seconds), insert them in one transaction."""
        rows = [
            {
                "at": entry["timestamp"],
                "level": entry.get("level", "info"),
                "event": str(entry.get("event", "")),
                "mailbox": str(entry.get("mailbox", "")),
                "line": json.dumps({k: v for k, v in entry.items() if k not in _OWN}, ensure_ascii=False, default=str),
            }
            for entry in entries
        ]
        if not rows:
            return
        with self._database.write() as db:
            db.execute(sa.insert(log_entry), rows)
            newest = db.execute(sa.select(sa.func.max(log_entry.c.id))).scalar() or 0
            db.execute(sa.delete(log_entry).where(log_entry.c.id <= newest - KEPT_ENTRIES))

    def entries(
        self, limit: int = 500, *, level: str = "debug", mailbox: str | None = None, after: int | None = None
    ) -> list[LogEntry]:
        """The newest lines of at least a level, of a mailbox if given, newest first; only those after one."""
        query = sa.select(log_entry).order_by(log_entry.c.id.desc()).limit(limit)
        if level in LEVELS[1:]:
            query = query.where(log_entry.c.level.in_(LEVELS[LEVELS.index(level) :]))
        if mailbox:
            query = query.where(log_entry.c.mailbox == mailbox)
        if after is not None:
            query = query.where(log_entry.c.id > after)
        with self._database.read() as db:
            return [
                LogEntry(row.id, row.at, row.level, row.event, row.mailbox, json.loads(row.line))
                for row in db.execute(query)
            ]


_OWN = frozenset({"timestamp", "level", "event", "mailbox"})

"""What the admin page keeps: who is signed in, who changed what, and the last lines of the log."""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import one_at_a_time
from redmine_mailbridge.store.due import within
from redmine_mailbridge.store.tables import admin_session, audit, log_entry
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from cryptography import fernet
else:
    fernet = lazy_import("cryptography.fernet")

KEPT_ENTRIES = 8000
SIGN_IN, SIGN_IN_REFUSED = "signed in", "sign-in refused"
WINDOW, KNOWN_FOR = 15 * 60.0, 30 * 86_400.0
"""Seconds within which refused sign-ins count, and for which the address of one that went well is a known one."""
Refusal = Callable[[Sequence[tuple[str, str]], frozenset[str]], None]


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in person. `key` names the row, `way` is "redmine" or "password"; times in epoch seconds.

    `proof`, sealed, is what the person's rights are asked with anew; `asked_at` says when they were confirmed last.
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


class Sessions:
    """Who is signed in. The store knows only hashes of the tokens, and each proof sealed under its token, so that its
    copy opens no door, here or at Redmine.
    """

    def __init__(self, database: Database, clock: Callable[[], float], *, life: float, idle: float) -> None:
        self._database = database
        self._clock = clock
        self._life = life
        self._idle = idle

    def begin(self, login: str, name: str, way: str, proof: str) -> str:
        """Given who has proven to be an admin, and what proves it anew, return the token of a new session; ended ones
        are forgotten.
        """
        token, now = secrets.token_urlsafe(32), self._clock()
        values = {"key": _key(token), "login": login, "name": name, "way": way, "created_at": now, "seen_at": now}
        values |= {"proof": _seal(token).encrypt(proof.encode()), "asked_at": now}
        with self._database.write() as db:
            over = sa.or_(admin_session.c.created_at < now - self._life, admin_session.c.seen_at < now - self._idle)
            db.execute(sa.delete(admin_session).where(over))
            db.execute(sa.insert(admin_session).values(values))
        return token

    def find(self, token: str, *, touch: bool = True) -> Session | None:
        """Given a token, return its session, None when there is none or its time is over.

        With `touch` the person has done something, so that the session's idle time begins anew.
        """
        now = self._clock()
        with self._database.read() as db:
            row = db.execute(sa.select(admin_session).where(admin_session.c.key == _key(token))).first()
        if row is None or row.created_at < now - self._life or row.seen_at < now - self._idle:
            return None
        session = Session(**row._mapping)
        if touch and now - session.seen_at > min(60.0, self._idle / 10):
            self._set(session.key, seen_at=now)
        return session

    def proof(self, session: Session, token: str) -> str:
        """Given a session and its token, return what the person's rights are asked with anew, "" when it is spoiled."""
        try:
            return str(_seal(token).decrypt(session.proof), "utf-8")
        except fernet.InvalidToken:
            return ""

    def confirmed(self, session: Session) -> None:
        """The person's rights still hold."""
        self._set(session.key, asked_at=self._clock())

    def say(self, session: Session, notice: str | None) -> None:
        """Keep a line for the session's next page; None takes it away."""
        self._set(session.key, notice=notice)

    def end(self, token: str) -> None:
        """The person signs out."""
        with self._database.write() as db:
            db.execute(sa.delete(admin_session).where(admin_session.c.key == _key(token)))

    def _set(self, key: str, **values: Any) -> None:
        with self._database.write() as db:
            db.execute(sa.update(admin_session).where(admin_session.c.key == key).values(values))


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _seal(token: str) -> Any:
    """What seals under a token; only who has it, a browser's cookie, can open that again."""
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
    """The record of everything that was changed by hand. Only added to."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(self, who: str, action: str, detail: str = "", *, address: str = "") -> int:
        """Note it. Return the line's number."""
        values = {"at": self._clock(), "who": who[:255], "address": address, "action": action, "detail": detail[:2000]}
        with self._database.write() as db:
            return int(db.execute(sa.insert(audit).values(values).returning(audit.c.id)).scalar_one())

    def attempt(self, who: str, detail: str, address: str, refused: Refusal) -> int:
        """Note a sign-in as refused before anything is checked, unless there were too many. Return the line's number.

        `refused` is given the refused ones of the last `WINDOW` seconds and the addresses of who came in within
        `KNOWN_FOR`, and raises when that is too much. Asking and noting are one: no two can both be the last that may.
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
        """What a line was noted for has turned out otherwise: a sign-in went well after all."""
        with self._database.write() as db:
            db.execute(sa.update(audit).where(audit.c.id == line).values(action=action, who=who[:255]))

    def lines(self, limit: int = 200, *, before: int | None = None) -> list[AuditLine]:
        """The newest lines, newest first; `before` goes on behind a page."""
        query = sa.select(audit).order_by(audit.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(audit.c.id < before)
        with self._database.read() as db:
            return [AuditLine(**row._mapping) for row in db.execute(query)]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log; `values` is everything beside its time, level, event and mailbox."""

    id: int
    at: float
    level: str
    event: str
    mailbox: str
    values: Mapping[str, Any]


LEVELS = ("debug", "info", "warning", "error", "critical")


class LogRing:
    """The last lines of the log, `KEPT_ENTRIES` of them; what is older goes by itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Given lines as structlog has them ("timestamp" in epoch seconds), put them down in one transaction."""
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
        """The newest lines of at least a level, of a mailbox if one is named, newest first; only those after one."""
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

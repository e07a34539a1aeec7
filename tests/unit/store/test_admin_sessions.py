"""Who is signed in to the pages, the record of what was changed by hand, and the last lines of the log."""

from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from redmine_mailbridge.store import admin_sessions
from redmine_mailbridge.store.admin_sessions import (
    SIGN_IN,
    SIGN_IN_REFUSED,
    AdminSession,
    AdminSessions,
    Audit,
    LogBuffer,
)
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.tables import admin_session
from tests.clocks import Clock

LIFE, IDLE = 3600.0, 700.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(store: Store, clock: Clock) -> AdminSessions:
    return AdminSessions(store.database, clock, lifetime=LIFE, idle=IDLE)


@pytest.fixture
def audit(store: Store, clock: Clock) -> Audit:
    return Audit(store.database, clock)


def _found(sessions: AdminSessions, token: str, *, touch: bool = True) -> AdminSession:
    session = sessions.find(token, touch=touch)
    assert session is not None
    return session


def test_a_session_is_known_by_its_token_and_holds_what_proves_the_person_anew(
    sessions: AdminSessions, clock: Clock
) -> None:
    token, other = sessions.begin("anna", "Anna", "redmine", "key 1"), sessions.begin("ben", "Ben", "password", "key 2")
    assert 43 == len(token)  # 32 bytes in base64 without padding
    session = _found(sessions, token)
    assert ("anna", "Anna", "redmine") == (session.login, session.name, session.way)
    assert (clock.now, clock.now, clock.now, None) == (
        session.created_at, session.seen_at, session.asked_at, session.notice,
    )  # fmt: skip
    assert "key 1" == sessions.proof(session, token)
    assert "" == sessions.proof(session, other)
    assert "ben" == _found(sessions, other).login
    assert None is sessions.find("no token")


def test_a_session_ends_when_nothing_is_done_for_long_or_after_its_whole_life(
    sessions: AdminSessions, clock: Clock
) -> None:
    token = sessions.begin("anna", "Anna", "redmine", "key")
    clock.now += IDLE
    _found(sessions, token, touch=False)
    clock.now += 1
    assert None is sessions.find(token)
    token = sessions.begin("anna", "Anna", "redmine", "key")
    began = clock.now
    while clock.now + 600 <= began + LIFE:
        clock.now += 600
        _found(sessions, token)
    clock.now = began + LIFE
    _found(sessions, token)
    clock.now += 1
    assert None is sessions.find(token)


def test_what_a_person_does_keeps_the_session_and_what_a_page_does_by_itself_does_not(
    sessions: AdminSessions, clock: Clock
) -> None:
    token = sessions.begin("anna", "Anna", "redmine", "key")
    other = sessions.begin("ben", "Ben", "redmine", "key")
    began = clock.now
    for seconds, touch, seen_at in ((60, True, began), (1, False, began), (0, True, began + 61)):
        clock.now += seconds
        sessions.find(token, touch=touch)
        assert seen_at == _found(sessions, token, touch=False).seen_at
    assert began == _found(sessions, other, touch=False).seen_at
    clock.now += 100
    sessions.find(token)
    assert clock.now == _found(sessions, token, touch=False).seen_at


def test_ended_sessions_are_forgotten_when_the_next_begins(sessions: AdminSessions, store: Store, clock: Clock) -> None:
    idle = sessions.begin("anna", "Anna", "redmine", "key")
    clock.now += IDLE + 1
    new = sessions.begin("ben", "Ben", "redmine", "key")
    patient = AdminSessions(store.database, clock, lifetime=10 * LIFE, idle=10 * LIFE)
    assert (None, "ben") == (patient.find(idle), _found(patient, new).login)


def test_signing_out_ends_this_session_alone(sessions: AdminSessions) -> None:
    tokens = [sessions.begin(f"user{number}", "U", "redmine", "key") for number in range(4)]
    sessions.end(tokens[1])
    assert [True, False, True, True] == [sessions.find(token) is not None for token in tokens]


def test_a_notice_and_a_confirmation_are_kept_with_their_session(sessions: AdminSessions, clock: Clock) -> None:
    token, other = (sessions.begin(name, name, "redmine", "key") for name in ("anna", "ben"))
    clock.now += 5
    sessions.say(_found(sessions, token), "saved")
    sessions.confirmed(_found(sessions, token))
    assert ("saved", clock.now) == (_found(sessions, token).notice, _found(sessions, token).asked_at)
    assert (None, clock.now - 5) == (_found(sessions, other).notice, _found(sessions, other).asked_at)
    sessions.say(_found(sessions, token), None)
    assert None is _found(sessions, token).notice


def test_the_record_holds_who_did_what_newest_first_page_by_page(audit: Audit, clock: Clock) -> None:
    numbers = [audit.add(f"user {n}", "saved", f"setting {n}", address="::1") for n in range(4)]
    assert sorted(numbers) == numbers
    newest = audit.lines(1)[0]
    assert (numbers[3], clock.now, "user 3", "::1", "saved", "setting 3") == (
        newest.id, newest.at, newest.who, newest.address, newest.action, newest.detail,
    )  # fmt: skip
    assert ["user 3", "user 2"] == [line.who for line in audit.lines(2)]
    assert ["user 1", "user 0"] == [line.who for line in audit.lines(2, before=numbers[2])]
    long = audit.add("w" * 300, "saved", "d" * 3000)
    assert (255, 2000) == (len(audit.lines(1)[0].who), len(audit.lines(1)[0].detail))
    audit.turned_out(long, SIGN_IN, "v" * 300)
    assert [(SIGN_IN, "v" * 255), ("saved", "user 3")] == [(line.action, line.who) for line in audit.lines(2)]


def test_a_sign_in_counts_as_refused_until_it_turns_out_well(audit: Audit, clock: Clock) -> None:
    """Refused ones count for fifteen minutes; the address of one that went well is known for thirty days."""
    asked: list[tuple[list[tuple[str, str]], frozenset[str]]] = []

    def note(refused: Sequence[tuple[str, str]], known: frozenset[str]) -> None:
        asked.append((list(refused), known))

    first = audit.attempt("anna", "by password", "::1", note)
    assert SIGN_IN_REFUSED == audit.lines(1)[0].action
    audit.turned_out(first, SIGN_IN, "anna")
    audit.attempt("ben", "", "::2", note)
    clock.now += 15 * 60
    audit.attempt("eve", "", "::3", note)
    clock.now += 1
    audit.attempt("eve", "", "::3", note)
    clock.now += 30 * 86_400 - 15 * 60 - 1
    audit.attempt("eve", "", "::3", note)
    clock.now += 1
    audit.attempt("eve", "", "::3", note)
    assert [
        ([], frozenset()),
        ([], frozenset({"::1"})),
        ([("ben", "::2")], frozenset({"::1"})),
        ([("eve", "::3")], frozenset({"::1"})),
        ([], frozenset({"::1"})),
        ([("eve", "::3")], frozenset()),
    ] == asked


def test_a_sign_in_that_is_too_much_is_not_noted(audit: Audit) -> None:
    def refuse(_tries: Sequence[tuple[str, str]], _known: frozenset[str]) -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        audit.attempt("eve", "", "::3", refuse)
    assert [] == audit.lines()


def test_the_log_keeps_its_last_lines(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_sessions, "KEPT_ENTRIES", 3)
    buffer = LogBuffer(store.database)
    buffer.add([])
    buffer.add([{"timestamp": float(number), "event": f"e{number}"} for number in range(5)])
    assert ["e4", "e3", "e2"] == [entry.event for entry in buffer.entries()]
    buffer.add([{"timestamp": float(number), "event": f"e{number}"} for number in range(5, 10)])
    assert ["e9", "e8", "e7"] == [entry.event for entry in buffer.entries()]


def test_log_lines_are_found_by_level_mailbox_and_number(store: Store) -> None:
    buffer = LogBuffer(store.database)
    levels = ("debug", "info", "warning", "error", "critical")
    buffer.add([{"timestamp": 1.0, "level": one, "event": one, "mailbox": f"box {one[0]}", "uid": 7} for one in levels])
    for number, level in enumerate(levels):
        assert list(reversed(levels[number:])) == [entry.event for entry in buffer.entries(level=level)]
    newest, *_, oldest = buffer.entries()
    assert (1.0, "critical", "critical", "box c", {"uid": 7}) == (
        newest.at, newest.level, newest.event, newest.mailbox, newest.values,
    )  # fmt: skip
    assert ["warning"] == [entry.event for entry in buffer.entries(mailbox="box w")]
    assert ["critical", "error", "warning", "info"] == [entry.event for entry in buffer.entries(after=oldest.id)]
    assert ["critical", "error"] == [entry.event for entry in buffer.entries(2)]


def test_expired_sessions(store: Store, sessions: AdminSessions, clock: Clock) -> None:
    """A new session removes those that have ended: after their whole life, or because nothing was done for long."""

    def kept() -> list[str]:
        with store.database.read() as db:
            return sorted(db.execute(sa.select(admin_session.c.login)).scalars())

    old, began = sessions.begin("anna", "Anna", "redmine", "key"), clock.now
    while clock.now + 600 < began + LIFE:
        clock.now += 600
        _found(sessions, old)
    clock.now = began + LIFE
    sessions.begin("ben", "Ben", "redmine", "key")
    assert ["anna", "ben"] == kept()
    clock.now += 1
    sessions.begin("cora", "Cora", "redmine", "key")
    assert ["ben", "cora"] == kept()
    clock.now += IDLE
    sessions.begin("dora", "Dora", "redmine", "key")
    assert ["cora", "dora"] == kept()


def test_what_one_page_shows(store: Store, audit: Audit) -> None:
    """A page shows the 200 newest entries of the record, and the 500 newest lines of the log."""
    numbers = [audit.add("anna", "saved", "a setting", address="::1") for _ in range(201)]
    assert numbers[:0:-1] == [line.id for line in audit.lines()]
    buffer = LogBuffer(store.database)
    buffer.add([{"timestamp": 1.0, "event": f"e{number}"} for number in range(501)])
    assert [f"e{number}" for number in range(500, 0, -1)] == [entry.event for entry in buffer.entries()]


def test_a_long_sign_in(audit: Audit) -> None:
    """Whatever somebody types as a name, 255 characters of it are recorded, and 2,000 of the rest."""
    audit.attempt("w" * 300, "d" * 3000, "::1", lambda _tries, _known: None)
    (line,) = audit.lines()
    assert ("w" * 255, "d" * 2000, "::1") == (line.who, line.detail, line.address)


def test_a_short_session(store: Store, clock: Clock) -> None:
    """Where sessions end soon, what a person does is noted after a tenth of that time, so that it keeps them."""
    sessions = AdminSessions(store.database, clock, lifetime=LIFE, idle=90.0)
    token, began = sessions.begin("anna", "Anna", "redmine", "key"), clock.now
    for seconds, seen_at in ((9.0, began), (0.5, began + 9.5)):
        clock.now += seconds
        sessions.find(token)
        assert seen_at == _found(sessions, token, touch=False).seen_at

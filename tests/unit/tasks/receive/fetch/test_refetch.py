"""Mails that the store has no bytes of are fetched again, alone or by `messages retry`, wherever they lie."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.tasks.receive.admin_decisions import Decision, decide, possible
from tests.product import message_id_of
from tests.servers.odd import HANG_UP
from tests.servers.odd_imap import OddImap, odd_imap
from tests.servers.odd_pop3 import odd_pop3
from tests.unit.tasks.fake_redmine import FakeRedmine
from tests.unit.tasks.misbehaving_server import later, letter, misbehaving_server, one_pass, row_of, subjects

BODY = "BODY.PEEK[]"


@pytest.fixture
def server() -> Iterator[OddImap]:
    """An account."""
    with odd_imap() as made:
        yield made


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OddImap) -> Iterator[FakeRedmine]:
    """The bridge that reads it."""
    with misbehaving_server(tmp_path, monkeypatch, server) as made:
        yield made


def refuses(server: OddImap, words: str, *mails: bytes) -> None:
    """Let the server answer with these words whenever one of these mails is among those that are fetched."""

    def wish(line: str) -> str | None:
        if not line.startswith("UID FETCH") or BODY not in line:
            return None
        asked = {int(uid) for uid in line.split(" ")[2].split(",")}
        there = [mail.raw for folder in server.folders.values() for uid, mail in folder.items() if uid in asked]
        return words if set(mails) & set(there) else None

    server.wish = wish


def missing(fake: FakeRedmine) -> list[StoredMail]:
    """The rows without bytes."""
    return [row for row in fake.rows() if row.raw is None]


def retry(fake: FakeRedmine, *rows: StoredMail) -> list[bool]:
    """What `redmine-mailbridge messages retry` does with these mails: whether each is tried again."""
    with fake.application() as made:
        return [one.ok for one in decide(made.store, made.message_queries, [row.id for row in rows], Decision.RETRY)]


def text_of(notes: Sequence[dict[str, str]]) -> list[str]:
    """The last lines of notes."""
    return [note["notes"].splitlines()[-1] for note in notes]


@pytest.mark.fault("I8", "I9")
def test_a_mail_that_waits_comes_by_itself(fake: FakeRedmine, server: OddImap) -> None:
    """A mail that alone did not come is fetched anew when its pause is over, and becomes its issue."""
    stubborn = letter("Stubborn")
    server.append(letter("One"), stubborn, letter("Two"))
    refuses(server, "NO System Error (Failure)", stubborn)
    assert one_pass(fake) is None
    (row,) = missing(fake)
    assert (State.STORED, ["One", "Two"]) == (row.state, subjects(fake))
    refuses(server, "")
    assert later(fake, 1) is None
    assert ["One", "Stubborn", "Two"] == subjects(fake)
    assert (0, 3) == (len(server.contents()), len(server.contents("Processed")))


@pytest.mark.fault("I8", "I9")
def test_a_mail_that_never_comes_is_set_aside_and_retried(fake: FakeRedmine, server: OddImap) -> None:
    """A mail that does not come while others do is set aside in the end; `messages retry` fetches it from the failure
    folder when the server hands it out, makes its issue and files it as done.
    """
    stubborn = letter("Stubborn")
    server.append(stubborn, letter("One"))
    refuses(server, "NO System Error (Failure)", stubborn)
    for hours in range(5):
        later(fake, hours)
        server.append(letter(f"Hour {hours}"))
    (row,) = missing(fake)
    assert State.FAILED is row.state
    assert "could not be fetched in 3 attempts, while others could" in (row.reason or "")
    later(fake, 6)
    assert [stubborn] == server.contents("Failed")

    refuses(server, "")
    with fake.application() as made:
        assert Decision.RETRY in possible(made.store, row)
    assert [True] == retry(fake, row)
    assert later(fake, 7) is None
    assert "Stubborn" in subjects(fake)
    assert ([], True) == (server.contents("Failed"), stubborn in server.contents("Processed"))
    done = row_of(fake, "Stubborn")
    assert (row.id, State.DONE, "Processed") == (done.id, done.state, done.filed_to)
    assert any("fetched on a later try from Failed" in line for line in fake.lines(done))


@pytest.mark.fault("I8")
def test_retried_and_still_not_there(fake: FakeRedmine, server: OddImap) -> None:
    """A mail that is refused for its own sake is set aside at once; retried while it still does not come, it is not
    lost from sight; retried when somebody has removed it, its record says that it is nowhere.
    """
    stubborn = letter("Stubborn")
    server.append(letter("One"), stubborn, letter("Two"))
    refuses(server, "NO cannot open the file", stubborn)
    one_pass(fake)
    one_pass(fake)
    (row,) = missing(fake)
    assert (State.FAILED, [stubborn]) == (row.state, server.contents("Failed"))
    assert [True] == retry(fake, row)
    assert later(fake, 1) is None
    (row,) = missing(fake)
    assert (State.STORED, True) == (row.state, "cannot open the file" in (row.reason or ""))

    server.folders["Failed"].clear()
    assert later(fake, 2) is None
    (row,) = missing(fake)
    assert (State.FAILED, True) == (row.state, "nor on the server any more" in (row.reason or ""))


@pytest.mark.fault("I8")
def test_two_that_look_alike(fake: FakeRedmine, server: OddImap) -> None:
    """Two mails of one size that came in one second, both without bytes, are told apart and come once each."""
    first, second = letter("Alike 1"), letter("Alike 2")
    now = dt.datetime.now(dt.UTC)
    server.append(letter("One"), first, second, letter("Two"), received_at=now)
    refuses(server, "NO cannot open the file", first, second)
    one_pass(fake)
    one_pass(fake)
    assert {first, second} == set(server.contents("Failed"))
    refuses(server, "")
    assert [True, True] == retry(fake, *missing(fake))
    assert later(fake, 1) is None
    assert ["Alike 1", "Alike 2", "One", "Two"] == subjects(fake)
    assert ([], 4) == (server.contents("Failed"), len(server.contents("Processed")))


@pytest.mark.fault("I8")
def test_a_mail_whose_file_is_gone(fake: FakeRedmine, server: OddImap) -> None:
    """A mail that was refused, whose bytes somebody removed from the store is fetched again by `messages retry`."""
    refused = letter("Refused")
    server.append(refused)
    fake.always = lambda _body: (422, "")
    one_pass(fake)
    (row,) = fake.rows()
    assert (State.REJECTED, [refused]) == (row.state, server.contents("Failed"))
    (fake.settings.store.raw_folder / (row.raw or "")[:2] / f"{row.raw}.eml").unlink()
    fake.always = lambda _body: None
    assert [True] == retry(fake, row)
    assert later(fake, 1) is None
    assert (["Refused"], [refused]) == (subjects(fake), server.contents("Processed"))


def test_what_was_deleted_from_the_server_cannot_be_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail that is neither in the store nor on the server is not offered to be tried again."""
    with odd_pop3() as server:
        server.append("a", letter("Refused"))
        with misbehaving_server(tmp_path, monkeypatch, server, after_failure="delete") as fake:
            fake.always = lambda _body: (422, "")
            one_pass(fake)
            with fake.application() as made, made.store.database.write() as db:
                db.exec_driver_sql("UPDATE mail SET raw = NULL")
            (row,) = fake.rows()
            with fake.application() as made:
                assert (State.REJECTED, frozenset()) == (row.state, possible(made.store, row))
            assert [False] == retry(fake, row)


def test_a_reply_waits_for_the_mail_that_waits(fake: FakeRedmine, server: OddImap) -> None:
    """A reply that comes in the pass in which its parent does not, waits for it, and becomes a note on its issue."""
    start = letter("Start")
    reply = letter("Re: Start").replace(
        b"Message-ID:", b"In-Reply-To: " + message_id_of(start).encode() + b"\r\nMessage-ID:"
    )
    server.append(start, reply)
    refuses(server, "NO [UNAVAILABLE] away", start)
    assert one_pass(fake) is None
    assert [] == fake.issues
    refuses(server, "")
    for hours in (0.1, 0.2):
        later(fake, hours)
    assert ["Start"] == subjects(fake)
    assert ["How does it work?"] == text_of(fake.issues[0]["journals"])


@pytest.mark.fault("B10")
def test_a_crash_of_one_that_waits_stops_nothing(fake: FakeRedmine, server: OddImap) -> None:
    """A mail that breaks the connection whenever it is fetched is asked for last: each pass reads and files the others,
    and ends well.
    """
    stubborn = letter("Stubborn")
    server.append(stubborn, letter("One"))
    refuses(server, HANG_UP, stubborn)
    for _ in range(5):
        one_pass(fake)
    assert [State.STORED] == [row.state for row in missing(fake)]
    for hours in range(1, 5):
        server.append(letter(f"Hour {hours}"))
        assert later(fake, hours) is None
        assert f"Hour {hours}" in subjects(fake)
        assert hours + 1 == len(server.contents("Processed"))
    assert [State.FAILED] == [row.state for row in missing(fake)]


def test_many_that_wait_do_not_each_ask_a_server_that_refuses(fake: FakeRedmine, server: OddImap) -> None:
    """Of ten mails that wait, three are asked for in a pass, when none of them comes; all, when they do."""
    bad = [letter(f"Bad {number}") for number in range(10)]
    server.append(*bad, letter("Good"))
    refuses(server, "NO [NOPERM] not this one", *bad)
    one_pass(fake)
    assert (["Good"], 10) == (subjects(fake), len(missing(fake)))
    before = len(server.lines)
    later(fake, 0.1)
    assert 3 == sum("UID FETCH" in line and BODY in line for line in server.lines[before:])
    assert 7 == sum("others failed too" in str(row.reason) for row in missing(fake))
    server.wish = lambda _line: None
    later(fake, 2)
    assert 11 == len(fake.issues)

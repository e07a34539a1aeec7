"""POP3 servers whose UIDLs say little: everything is read, nothing twice, and no unread mail is deleted for another."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from redmine_mailbridge.mailboxes.factory import open_mailbox
from redmine_mailbridge.mailboxes.pop3 import mailbox as pop3
from redmine_mailbridge.model.mailbox import MailboxConfig, MailProtocol, Security
from tests.servers.odd import DO_AND_HANG_UP, HANG_UP
from tests.servers.odd_pop3 import OddPop3, odd_pop3
from tests.unit.tasks.fake_redmine import FakeRedmine
from tests.unit.tasks.misbehaving_server import letter, misbehaving_server, one_pass, subjects

KEPT: dict[str, Any] = {"after_success": "keep"}


@pytest.fixture
def server() -> Iterator[OddPop3]:
    """A maildrop."""
    with odd_pop3() as made:
        yield made


@pytest.fixture(params=[{}, KEPT], ids=["deleted", "kept"])
def fake(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OddPop3
) -> Iterator[FakeRedmine]:
    """The bridge that reads it, and deletes or keeps what is done."""
    with misbehaving_server(tmp_path, monkeypatch, server, **request.param) as made:
        yield made


@pytest.fixture
def deleting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OddPop3) -> Iterator[FakeRedmine]:
    """The bridge that deletes what is done."""
    with misbehaving_server(tmp_path, monkeypatch, server) as made:
        yield made


@pytest.fixture
def keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OddPop3) -> Iterator[FakeRedmine]:
    """The bridge that keeps what is done."""
    with misbehaving_server(tmp_path, monkeypatch, server, **KEPT) as made:
        yield made


def alarm(number: int) -> bytes:
    """A mail of a device: no Message-ID, always as many bytes."""
    head = f"Received: from alarm by mx; Mon, 2 Feb 2026 10:00:{number:02d} +0000\r\nFrom: alarm@x.example\r\n"
    return f"{head}To: desk@example.com\r\nSubject: Alarm {number:02d}\r\n\r\nFire\r\n".encode()


# ---------------------------------------------------------------------- UIDLs that are used again


@pytest.mark.fault("I14")
def test_numbers_as_uidls(deleting: FakeRedmine, server: OddPop3) -> None:
    """Where the UIDL is the number in the listing, and what is done is deleted, every mail becomes an issue, once."""
    for number in range(4):
        server.append("1", alarm(number))
        assert one_pass(deleting) is None
        assert [] == server.contents()
    assert [f"Alarm {number:02d}" for number in range(4)] == subjects(deleting)


@pytest.mark.fault("I14")
def test_used_again_while_the_others_are_kept(keeping: FakeRedmine, server: OddPop3) -> None:
    """A UIDL that names another mail, since somebody removed the first, names a new one: by its size, or its header."""
    server.append("1", letter("One"))
    server.append("2", alarm(1))
    assert one_pass(keeping) is None
    server.remove("1")
    server.append("1", letter("Another"), first=True)
    assert one_pass(keeping) is None
    assert ["Alarm 01", "Another", "One"] == subjects(keeping)
    assert one_pass(keeping) is None
    assert 3 == len(keeping.rows())


@pytest.mark.fault("I14")
def test_used_again_at_the_same_size(keeping: FakeRedmine, server: OddPop3) -> None:
    """While the service runs, a UIDL that was away and is back is compared by header, whatever its size."""
    server.append("1", alarm(1))
    with keeping.application() as made:
        once = made.receivers[0].once
        assert once().error is None
        server.remove("1")
        assert once().error is None
        server.append("1", alarm(2))
        assert once().error is None
    assert ["Alarm 01", "Alarm 02"] == subjects(keeping)


@pytest.mark.fault("I14")
@pytest.mark.parametrize("wish", [HANG_UP, DO_AND_HANG_UP])
def test_an_unread_mail_is_not_deleted_for_another(deleting: FakeRedmine, server: OddPop3, wish: str) -> None:
    """When the end of the connection is cut, and the UIDL names another mail by then, that one is read, not deleted."""
    server.append("1", alarm(1))
    server.wish = lambda line: wish if line == "QUIT" else None
    with deleting.application() as made:
        made.receivers[0].once()
        server.wish = lambda _line: None
        server.remove("1")
        server.append("1", alarm(2))
        for _ in range(3):
            assert made.receivers[0].once().error is None
    assert ["Alarm 01", "Alarm 02"] == subjects(deleting)
    assert [] == server.contents()


@pytest.mark.fault("I14")
def test_an_unread_mail_is_not_deleted_by_the_next_process(deleting: FakeRedmine, server: OddPop3) -> None:
    """The same after a crash: the next process compares before it deletes what an earlier one could not."""
    server.append("1", alarm(1))
    server.wish = lambda line: HANG_UP if line == "QUIT" else None
    one_pass(deleting)
    server.wish = lambda _line: None
    server.remove("1")
    server.append("1", alarm(2))
    for _ in range(3):
        assert one_pass(deleting) is None
    assert ["Alarm 01", "Alarm 02"] == subjects(deleting)
    assert [] == server.contents()


# ---------------------------------------------------------------------- two mails with one UIDL


@pytest.mark.fault("I14")
@pytest.mark.parametrize("make", [letter, lambda subject: alarm(int(subject))])
def test_two_mails_with_one_uidl(fake: FakeRedmine, server: OddPop3, make: Any) -> None:
    """Mails that bear the same UIDL are all read, once each, in the same pass or later, in whatever order."""
    server.append("same", make("1"))
    server.append("same", make("2"))
    server.append("other", make("3"))
    assert one_pass(fake) is None
    server.append("same", make("4"), first=True)
    for _ in range(2):
        assert one_pass(fake) is None
    assert 4 == len(subjects(fake))
    assert 4 == len(set(subjects(fake)))
    assert 4 == len(fake.rows())


@pytest.mark.fault("I14")
def test_of_two_with_one_uidl_the_right_one_is_deleted(deleting: FakeRedmine, server: OddPop3) -> None:
    """Where one of two mails with the same UIDL must stay, the other one is deleted."""
    deleting.always = lambda body: (422, "") if "Refused" in body else None
    refused = letter("Refused")
    server.append("same", letter("Done"))
    server.append("same", refused)
    server.append("same", letter("Also done"))
    assert one_pass(deleting) is None
    assert [refused] == server.contents()
    assert one_pass(deleting) is None
    assert ([refused], 3) == (server.contents(), len(deleting.rows()))


def test_the_same_mail_twice(deleting: FakeRedmine, server: OddPop3) -> None:
    """A mail that lies there twice, to the last byte, under one UIDL, is one issue, and both are deleted."""
    twice = letter("Twice")
    server.append("same", twice)
    server.append("same", twice)
    for hours in range(3):
        with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)):
            assert one_pass(deleting) is None
    assert (["Twice"], []) == (subjects(deleting), server.contents())


# ---------------------------------------------------------------------- the order of listings


@pytest.mark.fault("I14")
def test_newest_first(keeping: FakeRedmine, server: OddPop3) -> None:
    """A server that lists the newest first has all its mail read, also by processes that begin anew."""
    for number in range(6):
        server.append(f"u{number}", letter(f"Mail {number}"), first=True)
        if number % 2:
            assert one_pass(keeping) is None
    assert [f"Mail {number}" for number in range(6)] == subjects(keeping)
    assert 6 == len(keeping.rows())


# ---------------------------------------------------------------------- servers that do not delete, sizes that change


def test_a_server_that_deletes_nothing(deleting: FakeRedmine, server: OddPop3) -> None:
    """Where QUIT says OK and deletes nothing (Gmail's "recent:"), no mail is read again, and each stays in the end."""
    server.deletes = False
    server.append("a", letter("One"))
    server.append("b", alarm(1))
    for _ in range(4):
        assert one_pass(deleting) is None
    assert (["Alarm 01", "One"], 2) == (subjects(deleting), len(deleting.rows()))
    assert 2 == sum(line.startswith("RETR") for line in server.lines)
    assert 2 == sum(line.startswith("DELE") for line in server.lines)
    assert {"left in INBOX: the server lists it again after it was gone: left in place"} == {
        row.filed_to for row in deleting.rows()
    }


def test_sizes_that_change(keeping: FakeRedmine, server: OddPop3) -> None:
    """A server that names another size of the same mail each time has it read once."""
    server.append("a", letter("One"))
    for size in (100, 200, 300):
        server.mails[0].size = size
        assert one_pass(keeping) is None
    assert (["One"], 1) == (subjects(keeping), len(keeping.rows()))


def test_an_ordinary_maildrop_costs_no_headers(keeping: FakeRedmine, server: OddPop3) -> None:
    """Where UIDLs are what they should be, no header is asked for."""
    for number in range(5):
        server.append(f"u{number}", letter(f"Mail {number}"))
        assert one_pass(keeping) is None
    assert [] == [line for line in server.lines if line.startswith("TOP")]


# ---------------------------------------------------------------------- logins


@pytest.mark.fault("C7")
@pytest.mark.parametrize("count", [0, 1, 7, 50, 51, 120])
def test_a_pass_logs_in_once(fake: FakeRedmine, server: OddPop3, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass costs one login, however much is new, the first one and each further one."""
    monkeypatch.setattr(pop3, "STALE", 3600.0)  # a slow machine works longer on a mail than a connection stays idle
    for number in range(count):
        server.append(f"u{number}", letter(f"Mail {number}"))
    for passes in range(1, 4):
        assert one_pass(fake) is None
        assert passes == server.logins
    assert count == len(subjects(fake))
    server.append("new", letter("New"))
    assert one_pass(fake) is None
    assert (4, count + 1) == (server.logins, len(subjects(fake)))


@pytest.mark.fault("C7")
def test_a_slow_pass_logs_in_once(server: OddPop3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that was idle while mails were worked on is tried, and used when it stands; else made anew."""
    monkeypatch.setattr(pop3, "STALE", -1.0)  # each call finds that it was idle for too long
    config = MailboxConfig(
        name="x", host="127.0.0.1", port=server.port, username="me", password="hunter22", security=Security.NONE,
        protocol=MailProtocol.POP3,
    )  # fmt: skip
    server.append("a", letter("One"))
    box = open_mailbox(config)
    (mail,) = box.list_new("INBOX")
    assert 1 == len(list(box.fetch([mail], tmp_path, max_size=10_000)))
    assert 1 == server.logins
    server.wish = lambda line: HANG_UP if line == "NOOP" else None
    box.delete(mail.location)
    server.wish = lambda _line: None
    assert box.close()
    assert ([], 2) == (server.contents(), server.logins)

"""POP3 servers that number mails, name none, forget, or hand out half: nothing is lost, and nothing deleted unread."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine

from tests.servers.odd_imap import odd_imap
from tests.servers.odd_pop3 import OddPop3, odd_pop3
from tests.unit.tasks.fake_redmine import FakeRedmine
from tests.unit.tasks.misbehaving_server import letter, misbehaving_server, one_pass, row_of, subjects
from tests.unit.tasks.receive.fetch.test_maildrops import KEPT, alarm


@pytest.fixture
def server() -> Iterator[OddPop3]:
    """A maildrop."""
    with odd_pop3() as made:
        yield made


def forget(fake: FakeRedmine) -> None:
    """The store has forgotten the bytes of all mails (store.raw_retention)."""
    with fake.application() as made, made.store.database.write() as db:
        db.exec_driver_sql("UPDATE mail SET raw = NULL")


@pytest.mark.fault("A11-B1")
@pytest.mark.parametrize("uidl", ["1", "a-true-name"])
def test_an_unread_mail_is_not_deleted_when_the_first_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OddPop3, uidl: str
) -> None:
    """At the end of keep_days a mail under a UIDL whose mail the store has forgotten is deleted only when all its bytes
    are that one's; another one of the same size is read.
    """
    with misbehaving_server(tmp_path, monkeypatch, server, after_success="keep", keep_days=30) as fake:
        server.append(uidl, alarm(1))
        server.append("other", alarm(5))
        assert one_pass(fake) is None
        forget(fake)
        server.remove(uidl)
        server.append(uidl, alarm(2), first=True)
        with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(days=31)):
            for _ in range(2):
                assert one_pass(fake) is None
        assert ["Alarm 01", "Alarm 02", "Alarm 05"] == subjects(fake)
        assert [alarm(2)] == server.contents()


@pytest.mark.fault("A11-B2")
def test_numbers_move_up_between_two_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OddPop3) -> None:
    """Where the UIDL is the number, a mail that takes the place and the size of one that went is read; none twice."""
    with misbehaving_server(tmp_path, monkeypatch, server, **KEPT) as fake:
        for number in range(1, 4):
            server.append(str(number), alarm(number))
        assert one_pass(fake) is None
        for first in (2, 3):
            server.mails = []
            for number in range(1, 4):
                server.append(str(number), alarm(first + number - 1))
            for _ in range(2):
                assert one_pass(fake) is None
            forget(fake)
        assert [f"Alarm {number:02d}" for number in range(1, 6)] == subjects(fake)


@pytest.mark.fault("A11-B3")
@pytest.mark.parametrize("kept", [False, True], ids=["deleted", "kept"])
def test_a_server_without_uidls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OddPop3, *, kept: bool
) -> None:
    """Mails that have no UIDL, since their server knows none (RFC 1939 section 7: optional), are read, and once."""
    server.wish = lambda line: "what?" if line in {"UIDL", "CAPA"} else None
    with misbehaving_server(tmp_path, monkeypatch, server, **(KEPT if kept else {})) as fake:
        for number in (1, 2, 3):
            server.append("", alarm(number))
            for _ in range(2):
                assert one_pass(fake) is None
            server.mails = server.mails[-1:]  # somebody else clears up
        assert ["Alarm 01", "Alarm 02", "Alarm 03"] == subjects(fake)
        assert int(kept) == len(server.contents())


@pytest.mark.fault("A11-B3")
def test_one_mail_without_a_uidl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OddPop3) -> None:
    """A mail that is listed, and has no UIDL beside others that have one, is read all the same."""
    server.append("", alarm(1))
    server.append("2", alarm(2))
    with misbehaving_server(tmp_path, monkeypatch, server) as fake:
        for _ in range(2):
            assert one_pass(fake) is None
        assert ["Alarm 01", "Alarm 02"] == subjects(fake)
        assert [] == server.contents()


@pytest.mark.fault("A11-B4")
@pytest.mark.parametrize(("size", "comes"), [(200_000, 40_000), (3_000_000, 1_200_000)])
def test_a_mail_of_which_a_part_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: OddPop3, size: int, comes: int
) -> None:
    """A mail of which the server hands out a small part without a word stays there, and its issue says why."""
    part = letter("Half", size)[:comes].rpartition(b"\r\n")[0] + b"\r\n"
    with misbehaving_server(tmp_path, monkeypatch, server) as fake:
        server.append("u1", part, size=size)
        server.append("u2", letter("Estimated", 9_000), size=40_000)
        for _ in range(2):
            assert one_pass(fake) is None
        assert [part] == server.contents()
        assert "left in INBOX: it was fetched partially" in (row_of(fake, "Half").filed_to or "")
        texts = {issue["subject"]: issue["description"] for issue in fake.issues}
        assert "Only the beginning" not in texts["Estimated"]
        assert "Only the beginning" in texts["Half"] or comes > 64_000, "a text that long is a file"


@pytest.mark.fault("A11-B4")
def test_such_a_mail_over_imap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same over IMAP, where what is done is to be deleted."""
    with odd_imap() as imap, misbehaving_server(tmp_path, monkeypatch, imap, after_success="delete") as fake:
        imap.append(letter("Half"))
        imap.sizes = {1: 200_000}
        assert one_pass(fake) is None
        assert 1 == len(imap.contents())

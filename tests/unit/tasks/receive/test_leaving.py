"""Nothing leaves the mail server whose whole bytes were never in the store: now, later, or by way of the trash."""

import ast
import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pytest
import time_machine

import redmine_mailbridge
from redmine_mailbridge.model.mail_state import State
from tests.servers.odd_imap import OddImap, odd_imap
from tests.servers.odd_pop3 import OddPop3, odd_pop3
from tests.unit.tasks.misbehaving_server import letter, misbehaving_server, one_pass, row_of, subjects

LARGE = 300_000
LIMIT = {"max_mail_size": "100 kB"}


@pytest.fixture
def pop3() -> Iterator[OddPop3]:
    """A maildrop."""
    with odd_pop3() as server:
        yield server


@pytest.fixture
def imap() -> Iterator[OddImap]:
    """An IMAP account."""
    with odd_imap() as server:
        yield server


@pytest.mark.fault("I4")
def test_a_mail_above_the_limit_stays(pop3: OddPop3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over POP3, whose default is to delete what is done, a mail of which only the beginning was read stays there."""
    large = letter("Large", LARGE)
    pop3.append("a", large)
    pop3.append("b", letter("Small"))
    with misbehaving_server(tmp_path, monkeypatch, pop3, LIMIT) as fake:
        assert one_pass(fake) is None
        assert ["Large", "Small"] == subjects(fake)
        assert [large] == pop3.contents()
        assert "left in INBOX: it was fetched partially" in (row_of(fake, "Large").filed_to or "")
        assert "deleted from the server" == row_of(fake, "Small").filed_to
        assert one_pass(fake) is None
        assert 2 == len(fake.rows())


@pytest.mark.fault("I4")
def test_a_mail_above_the_limit_stays_for_good(pop3: OddPop3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the days are over for which what is done is kept, a mail that was never read whole still stays."""
    large = letter("Large", LARGE)
    pop3.append("a", large)
    pop3.append("b", letter("Small"))
    with misbehaving_server(tmp_path, monkeypatch, pop3, LIMIT, after_success="keep", keep_days=7) as fake:
        assert one_pass(fake) is None
        assert 2 == len(pop3.contents())
        with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(days=8)):
            assert one_pass(fake) is None
        assert [large] == pop3.contents()
        assert "left in INBOX: it was fetched partially" in (row_of(fake, "Large").filed_to or "")


@pytest.mark.fault("I4")
def test_a_mail_above_the_limit_stays_over_imap_too(
    imap: OddImap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where IMAP is told to delete what is done, a mail of which only the beginning was read stays, marked."""
    large = letter("Large", LARGE)
    imap.append(large, letter("Small"))
    with misbehaving_server(tmp_path, monkeypatch, imap, LIMIT, after_success="delete") as fake:
        assert one_pass(fake) is None
        assert ["Large", "Small"] == subjects(fake)
        assert [large] == imap.contents()
        assert [{"$mailbridgedone"}] == [mail.flags for mail in imap.folders["INBOX"].values()]


@pytest.mark.fault("I4")
@pytest.mark.parametrize("folder", ["Trash", "Papierkorb/2026"])
def test_a_move_to_the_trash_is_a_deletion(
    imap: OddImap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """A mail that was never read whole is not moved to a folder that the server empties; one that was read whole is."""
    large, small = letter("Large", LARGE), letter("Small")
    imap.append(large, small)
    with misbehaving_server(tmp_path, monkeypatch, imap, LIMIT, success_folder=folder) as fake:
        assert one_pass(fake) is None
        assert ([large], [small]) == (imap.contents(), imap.contents(folder))
        assert f"the server empties {folder} automatically" in (row_of(fake, "Large").filed_to or "")


@pytest.mark.fault("I3")
def test_a_mail_that_was_never_fetched_stays(pop3: OddPop3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With after_failure = "delete", a mail that the server does not hand out lies there for ever."""
    stubborn = letter("Stubborn")
    pop3.append("a", stubborn)
    pop3.wish = lambda line: "virus found" if line == "RETR 1" else None
    with misbehaving_server(tmp_path, monkeypatch, pop3, after_failure="delete") as fake:
        for number in range(6):
            pop3.append(f"{number}", letter(f"Well {number}"))
            with time_machine.travel(dt.datetime.now(dt.UTC) + dt.timedelta(hours=number)):
                one_pass(fake)
        assert [stubborn] == pop3.contents()
        assert [f"Well {number}" for number in range(6)] == subjects(fake)
        assert [State.FAILED] == [row.state for row in fake.rows() if row.subject is None]


@pytest.mark.fault("I3")
def test_a_mail_whose_bytes_are_lost_stays(pop3: OddPop3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With after_failure = "delete", a mail whose bytes somebody removed from the store is not deleted as well."""
    pop3.append("a", letter("Only there"))
    with misbehaving_server(tmp_path, monkeypatch, pop3, after_failure="delete") as fake:
        fake.down = True
        one_pass(fake)
        (row,) = fake.rows()
        (fake.settings.store.raw_folder / (row.raw or "")[:2] / f"{row.raw}.eml").unlink()
        fake.down = False
        for _ in range(2):
            fake.receive()
        assert 1 == len(pop3.contents())


@pytest.mark.fault("I4")
def test_a_refused_mail_is_deleted_once_it_is_in_the_store(
    pop3: OddPop3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was refused, and lies whole in the store, is deleted as the settings say; the others' bytes decide alone."""
    pop3.append("a", letter("Refused", LARGE))
    pop3.append("b", letter("Refused"))
    with misbehaving_server(tmp_path, monkeypatch, pop3, LIMIT, after_failure="delete") as fake:
        fake.always = lambda _body: (422, "")
        one_pass(fake)
        assert {State.REJECTED} == {row.state for row in fake.rows()}
        assert [LARGE < len(raw) for raw in pop3.contents()] == [True]


MAY_DELETE = {"tasks/receive/removal.py:delete": 1, "checks/round_trip.py:round_trip": 1}
"""Who may delete a mail on a server: what asks the store first, and the check that removes the mail it sent itself."""


def test_nobody_else_deletes() -> None:
    """Every deletion on a mail server goes through the one place that asks the store whether it has the whole mail."""
    package = Path(redmine_mailbridge.__file__).parent
    found: dict[str, int] = {}
    for file in package.rglob("*.py"):
        if file.parent.name == "mailboxes":
            continue
        for function in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(function, ast.FunctionDef):
                continue
            where = f"{file.relative_to(package).as_posix()}:{function.name}"
            for call in ast.walk(function):
                of = call.func if isinstance(call, ast.Call) else None
                if isinstance(of, ast.Attribute) and of.attr == "delete" and "mailbox" in ast.unparse(of.value):
                    found[where] = found.get(where, 0) + 1
    assert MAY_DELETE == found

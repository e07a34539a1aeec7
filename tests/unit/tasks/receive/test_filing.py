"""Filing touches one mail, stops no other, and leaves one copy of it, wherever it is cut."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Filing, Location, MailboxConfig, Security
from tests.servers.odd import DO_AND_HANG_UP, HANG_UP
from tests.servers.odd_imap import OddImap, odd_imap
from tests.unit.tasks.fake_redmine import FakeRedmine
from tests.unit.tasks.misbehaving_server import later, letter, misbehaving_server, one_pass, row_of, subjects

OLD = "IMAP4rev1 UIDPLUS"
OLDER = "IMAP4rev1"


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


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(HANG_UP, marks=pytest.mark.fault("B3")),
        "NO [UNAVAILABLE] cannot move it now",
        "NO System Error (Failure)",
    ],
)
def test_a_mail_that_cannot_be_moved_stops_nothing(fake: FakeRedmine, server: OddImap, words: str) -> None:
    """A mail whose move drops the connection, or is refused in the server's name, is tried at its own times; in each
    pass the others are read and filed, and the pass ends well.
    """
    server.append(letter("Stuck"))
    server.wish = lambda line: words if line.startswith("UID MOVE 1 ") else None
    for number in range(6):
        server.append(letter(f"Well {number}"))
        assert one_pass(fake) is None
        assert f"Well {number}" in subjects(fake)
        assert number + 1 == len(server.contents("Processed"))
    tries = sum(line.startswith("UID MOVE 1 ") for line in server.lines)
    assert 2 == tries  # then it pauses
    assert server.logins <= 6 + 2 * tries
    stuck = row_of(fake, "Stuck")
    assert (State.DONE, None) == (stuck.state, stuck.filed_at)
    assert any("not filed yet" in line for line in fake.lines(stuck))

    server.wish = lambda _line: None
    assert later(fake, 1) is None
    assert (0, 7) == (len(server.contents()), len(server.contents("Processed")))
    assert 7 == len(subjects(fake))


@pytest.mark.fault("B3")
def test_a_server_that_moves_nothing(fake: FakeRedmine, server: OddImap) -> None:
    """A server that drops the connection at each move gets a few in a pass, and new mail is read all the same."""
    server.append(*(letter(f"Mail {number}") for number in range(12)))
    server.wish = lambda line: HANG_UP if line.startswith("UID MOVE") else None
    one_pass(fake)
    moves = sum(line.startswith("UID MOVE") for line in server.lines)
    assert (12, True) == (len(subjects(fake)), moves <= 3)
    server.append(letter("New"))
    one_pass(fake)
    assert "New" in subjects(fake)
    server.wish = lambda _line: None
    later(fake, 1)
    assert (0, 13, 13) == (len(server.contents()), len(server.contents("Processed")), len(subjects(fake)))


@pytest.mark.parametrize("words", ["NO Request is throttled. Suggested Backoff Time: 299961 milliseconds"])
def test_a_server_that_wants_to_be_left_alone(fake: FakeRedmine, server: OddImap, words: str) -> None:
    """A server that throttles a move is asked nothing more in that pass, which says so, and no mail pauses for it."""
    server.append(letter("One"), letter("Two"))
    server.wish = lambda line: words if line.startswith("UID MOVE") else None
    assert "is throttled" in (one_pass(fake) or "")
    assert 1 == sum(line.startswith("UID MOVE") for line in server.lines)
    server.wish = lambda _line: None
    assert one_pass(fake) is None
    assert (0, 2) == (len(server.contents()), len(server.contents("Processed")))


CUTS = [
    ("UID COPY", HANG_UP),
    ("UID COPY", DO_AND_HANG_UP),
    ("UID STORE", HANG_UP),
    ("UID STORE", DO_AND_HANG_UP),
    ("UID EXPUNGE", HANG_UP),
    ("UID EXPUNGE", DO_AND_HANG_UP),
]
DOUBLED = [cut for cut in CUTS if cut not in {("UID COPY", HANG_UP), ("UID EXPUNGE", DO_AND_HANG_UP)}]


def _filed_once(fake: FakeRedmine, server: OddImap, command: str, wish: str) -> None:
    server.capabilities = OLD
    mails = [letter("One"), letter("Two").replace(b"Message-ID:", b"X-Id:"), letter("Three")]
    server.append(*mails)
    cuts = iter([wish] * 2)
    server.wish = lambda line: next(cuts, None) if line.startswith(command) else None
    for hours in range(4):
        later(fake, hours)
    assert ["One", "Three", "Two"] == subjects(fake)
    assert ([], sorted(mails)) == (server.contents(), sorted(server.contents("Processed")))


@pytest.mark.parametrize(("command", "wish"), CUTS)
def test_a_move_of_several_steps(fake: FakeRedmine, server: OddImap, command: str, wish: str) -> None:
    """Without MOVE, wherever copying, marking and removing is cut off, each mail lies in the success folder once."""
    _filed_once(fake, server, command, wish)


@pytest.mark.fault("C5")
@pytest.mark.parametrize(("command", "wish"), DOUBLED)
def test_a_copy_that_is_there(fake: FakeRedmine, server: OddImap, command: str, wish: str) -> None:
    """A copy that was made before the connection broke is found in the success folder, and not made again."""
    _filed_once(fake, server, command, wish)


def test_a_copy_of_a_mail_that_was_tried_again(fake: FakeRedmine, server: OddImap) -> None:
    """It is copied from the failure folder, the connection breaks, and no second copy is made."""
    server.capabilities = OLD
    box = fake.settings.mailboxes["desk"]
    refusing = box.model_copy(update={"issue": box.issue.model_copy(update={"unknown_sender": "refuse"})})
    fake.settings = fake.settings.model_copy(update={"mailboxes": {"desk": refusing}})
    server.append(letter("Again"))
    assert one_pass(fake) is None
    assert (0, 1) == (len(server.contents()), len(server.contents("Failed")))
    fake.settings = fake.settings.model_copy(update={"mailboxes": {"desk": box}})
    with fake.application() as made:
        assert made.store.retry(1)
    cuts = iter([DO_AND_HANG_UP])
    server.wish = lambda line: next(cuts, None) if line.startswith("UID COPY") else None
    for hours in range(3):
        later(fake, hours)
    assert (["Again"], 0, 1) == (subjects(fake), len(server.contents("Failed")), len(server.contents("Processed")))


@pytest.mark.fault("C5")
@pytest.mark.parametrize("capabilities", [OLD, OLDER])
def test_a_copy_that_another_process_made(server: OddImap, capabilities: str) -> None:
    """A process that was killed between the copy and the mark leaves a copy, which the next one finds; other mails with
    that Message-ID are not taken for it.
    """
    mail, other = letter("One"), letter("Another")
    same_id = other.replace(
        other.split(b"Message-ID: ")[1].split(b"\r\n")[0], mail.split(b"Message-ID: ")[1].split(b"\r\n")[0]
    )
    server.capabilities = capabilities
    server.append(mail, same_id)
    server.folders["Processed"] = {}
    server.append(mail, folder="Processed")
    config = MailboxConfig(
        name="x", host="127.0.0.1", port=server.port, username="me", password="hunter22", security=Security.NONE
    )
    box = ImapMailbox(config)
    assert [Filing.MOVED] * 2 == [box.file(Location("x", "INBOX", "7", uid), "Processed") for uid in ("1", "2")]
    box.close()
    assert sorted([mail, same_id]) == sorted(server.contents("Processed"))


def test_the_first_try_looks_nowhere(fake: FakeRedmine, server: OddImap) -> None:
    """A mail that is filed right after it was handled costs no look into the success folder."""
    server.capabilities = OLD
    server.append(letter("One"), letter("Two"))
    one_pass(fake)
    assert 2 == len(server.contents("Processed"))
    assert [] == [line for line in server.lines if "BODY.PEEK[HEADER]" in line or line == 'SELECT "Processed"']

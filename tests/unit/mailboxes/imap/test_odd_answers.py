"""What IMAP servers answer beside the mark: untrue sizes, answers that nobody asked for, odd names of folders."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from redmine_mailbridge.errors import FolderMissing, MailUnreadable
from redmine_mailbridge.model.mailbox import Filing, Location
from tests.scripted_server import Reply, scripted
from tests.unit.mailboxes.imap.test_mailbox import ANSWERS, SELECTED, _closed, capable, listed, mailbox

__all__ = ["_closed"]
PIECE = 1 << 20
HERE = "* SEARCH 9\n{tag} OK done\n"


def pieces_of(body: bytes, behind: str) -> Callable[[str], str]:
    """Given a mail and how the server answers what lies behind its end, return its answers to UID FETCH."""

    def fetch(line: str) -> str:
        offset, length = (int(part) for part in line.split("<")[1].split(">", maxsplit=1)[0].split("."))
        piece = body[offset : offset + length]
        if not piece:
            return behind.replace("N>", f"{offset}>")
        return f"* 1 FETCH (UID 9 BODY[]<{offset}> {{{len(piece)}}}\n{piece.decode()})\n{{tag}} OK done\n"

    return fetch


@pytest.mark.fault("C6")
@pytest.mark.parametrize("length", [PIECE + 1000, 2 * PIECE])
@pytest.mark.parametrize("more", [1, 37_000])
@pytest.mark.parametrize(
    "behind",
    [
        "* 1 FETCH (UID 9 BODY[]<N> NIL)\n{tag} OK done\n",
        "* 1 FETCH (UID 9)\n{tag} OK done\n",
        "{tag} OK done\n",
    ],
)
def test_a_size_that_is_a_bit_too_large(behind: str, more: int, length: int, tmp_path: Path) -> None:
    """A mail that is shorter than its named size comes whole, however the server says that nothing lies behind it."""
    body = b"x" * length
    with scripted(ANSWERS | {"UID FETCH": pieces_of(body, behind), "UID SEARCH": HERE}) as server:
        (mail,) = mailbox(server.port).fetch([listed("9", length + more)], tmp_path, max_size=9_000_000)
    assert mail.path is not None
    assert (body, False) == (mail.path.read_bytes(), mail.truncated)


def test_a_server_that_stops_in_the_middle(tmp_path: Path) -> None:
    """A server that hands out nothing in the middle of a mail has not come to its end: half a mail is none."""
    body = "x" * PIECE

    def fetch(line: str) -> str:
        if "<0." in line:
            return f"* 1 FETCH (UID 9 BODY[]<0> {{{PIECE}}}\n{body})\n{{tag}} OK done\n"
        return "* 1 FETCH (UID 9 BODY[] NIL)\n{tag} OK done\n"

    answers = ANSWERS | {"UID FETCH": fetch, "UID SEARCH": HERE}
    words = f"hands out {PIECE} bytes of 2000000 of UID 9"
    with scripted(answers) as server, pytest.raises(MailUnreadable, match=words) as error:
        list(mailbox(server.port).fetch([listed("9", 2_000_000)], tmp_path, max_size=9_000_000))
    assert "9" == error.value.uid
    assert [] == list(tmp_path.iterdir())


def test_a_mail_that_vanishes_in_the_middle(tmp_path: Path) -> None:
    """A mail that is removed while it is read is left out: its beginning does not count as a mail."""
    body = b"x" * (PIECE + 1000)
    behind = "{tag} OK done\n"
    with scripted(
        ANSWERS | {"UID FETCH": pieces_of(body, behind), "UID SEARCH": "* SEARCH\n{tag} OK done\n"}
    ) as server:
        assert [] == list(mailbox(server.port).fetch([listed("9", 2_000_000)], tmp_path, max_size=9_000_000))
    assert [] == list(tmp_path.iterdir())


@pytest.mark.fault("C1")
@pytest.mark.parametrize("said", ["UID 9 FLAGS (\\Seen)", "FLAGS (\\Seen) UID 9 MODSEQ (7)"])
def test_an_answer_that_nobody_asked_for(said: str, tmp_path: Path) -> None:
    """A change of flags that is told among the answers takes away neither size nor time nor bytes."""
    news = f"* 1 FETCH ({said})\n"
    sizes = '* 1 FETCH (UID 9 RFC822.SIZE 5 INTERNALDATE " 1-Jan-2020 09:30:00 +0000")\n'
    body = '* 1 FETCH (UID 9 BODY[] "hello")\n'

    def fetch(line: str) -> str:
        asked = body if "BODY" in line else sizes
        return f"{news}{asked}{news}{{tag}} OK done\n"

    with scripted(ANSWERS | {"UID FETCH": fetch, "UID SEARCH": HERE}) as server:
        box = mailbox(server.port)
        (found,) = box.list_new("INBOX")
        (mail,) = box.fetch([found], tmp_path, max_size=1000)
    assert (5, dt.datetime(2020, 1, 1, 9, 30, tzinfo=dt.UTC), b"hello") == (found.size, found.received_at, mail.content)


@pytest.mark.fault("C1")
def test_an_answer_that_leaves_the_time_out() -> None:
    """What an answer leaves out of a mail is asked for once more: a mail of unknown time would count as new."""
    times = iter(["", ' INTERNALDATE " 1-Jan-2020 09:30:00 +0000"'])
    answers = {"UID FETCH": lambda _line: f"* 1 FETCH (UID 9 RFC822.SIZE 5{next(times)})\n{{tag}} OK done\n"}
    with scripted(ANSWERS | answers | {"UID SEARCH": HERE}) as server:
        (found,) = mailbox(server.port).list_new("INBOX")
    assert dt.datetime(2020, 1, 1, 9, 30, tzinfo=dt.UTC) == found.received_at


LISTED = [
    ("R&D", "R&D", "R&D"),
    ("Sales & Marketing", "Sales & Marketing", "Sales & Marketing"),
    ("A&B-C", "A&B-C", "A&B-C"),
    ("R&-D", "R&D", "R&-D"),
    ("Gr&APYA3w-e", "Größe", "Gr&APYA3w-e"),
    ("Gr&APYA3w-e", "Gr&APYA3w-e", "Gr&APYA3w-e"),
    ("R&-D", "R&-D", "R&-D"),
    ("Größe", "Größe", "Größe"),
    ("&AGE-b", "ab", "&AGE-b"),
]
"""How the server lists a folder, how the settings name it, how it is to be opened."""


@pytest.mark.fault("C10")
@pytest.mark.parametrize(
    ("wire", "folder", "opened"),
    [one for one in LISTED if one[:2] not in {("R&-D", "R&D"), ("Gr&APYA3w-e", "Größe")}],
)
def test_a_folder_that_is_listed_in_a_way_of_its_own(wire: str, folder: str, opened: str) -> None:
    """A folder whose name is listed unencoded, or given as it stands on the wire, is opened, and filed to."""
    _opens(wire, folder, opened)


@pytest.mark.parametrize(("wire", "folder", "opened"), LISTED)
def test_a_folder_is_opened_as_it_is_listed(wire: str, folder: str, opened: str) -> None:
    """However a folder is listed, it is opened under that name, and none is made beside it."""
    _opens(wire, folder, opened)


def _opens(wire: str, folder: str, opened: str) -> None:
    name = f'"{opened}"'.encode().decode("latin-1")
    on_the_wire = wire.encode().decode("latin-1")

    def select(line: str) -> str:
        return SELECTED if line in {f"SELECT {name}", 'SELECT "INBOX"'} else "{tag} NO [NONEXISTENT] no such folder\n"

    answers: dict[str, Reply] = capable("MOVE", "UIDPLUS") | {
        "LIST": f'* LIST () "/" INBOX\n* LIST () "/" "{on_the_wire}"\n{{tag}} OK done\n',
        "SELECT": select,
        "UID MOVE": "{tag} OK [COPYUID 7 9 1] done\n",
    }
    with scripted(answers) as server:
        box = mailbox(server.port)
        assert not box.ensure_folder(folder)
        assert folder == box.state(folder).name
        assert Filing.MOVED is box.file(Location("other", "INBOX", "7", "9"), folder)
        assert f"UID MOVE 9 {name}" in server.lines


@pytest.mark.fault("C10")
def test_two_folders_of_one_name() -> None:
    """Where a server lists both `R&D` and `R&-D`, each is opened by what is written on the wire."""
    answers = ANSWERS | {"LIST": '* LIST () "/" INBOX\n* LIST () "/" "R&-D"\n* LIST () "/" "R&D"\n{tag} OK done\n'}
    with scripted(answers) as server:
        box = mailbox(server.port)
        assert ("INBOX", "R&-D", "R&D") == box.folders()
        box.state("R&-D")
        box.state("R&D")
        assert ['SELECT "R&-D"', 'SELECT "R&D"'] == [line for line in server.lines if line.startswith("SELECT")]


TRASHES = [
    ('* LIST (\\Trash) "/" "Weg"\n* LIST () "/" "Weg/2026"\n* LIST () "/" "Trash"', {"Weg", "Weg/2026"}),
    ('* LIST (\\X \\Junk) "/" "Weg"\n* LIST () "/" "Weg/2026"\n* LIST () "/" "Trash"', {"Weg", "Weg/2026"}),
    ('* LIST () "/" "Weg"\n* LIST () "/" "Weg/2026"\n* LIST () "/" "Trash"', {"Trash"}),
]


@pytest.mark.parametrize(("listing", "emptied"), TRASHES)
def test_what_the_server_empties(listing: str, emptied: set[str]) -> None:
    """A folder that bears the mark of trash or junk, or lies below it; by its name only where none bears one."""
    answers = ANSWERS | {"LIST": f'* LIST () "/" INBOX\n{listing}\n{{tag}} OK done\n'}
    with scripted(answers) as server:
        box = mailbox(server.port)
        assert emptied == {folder for folder in box.folders() if box.empties(folder)}


def test_marks_that_are_told_when_asked_for() -> None:
    """A server that tells the marks only to who asks for them (RFC 6154) is asked."""
    answers: dict[str, Reply] = capable("SPECIAL-USE") | {
        "LIST (SPECIAL-USE)": '* LIST (\\Trash) "/" "Weg"\n{tag} OK done\n',
        "LIST": '* LIST () "/" INBOX\n* LIST () "/" "Weg"\n{tag} OK done\n',
    }
    with scripted({"LIST (SPECIAL-USE)": answers.pop("LIST (SPECIAL-USE)")} | answers) as server:
        assert (True, False) == (mailbox(server.port).empties("Weg"), mailbox(server.port).empties("INBOX"))


EMPTY = "* 1 FETCH (UID 9 BODY[] {0}\n)\n{tag} OK done\n"


@pytest.mark.fault("A11-C1")
@pytest.mark.parametrize("size", [5000, 2_000_000, 20_000_000])
@pytest.mark.parametrize("body", ["{0}\n", '""'])
def test_no_bytes_of_a_mail_that_has_a_size(body: str, size: int, tmp_path: Path) -> None:
    """A server that says OK and sends nothing of a mail hands it out not: it is not an empty mail."""
    fetch = f"* 1 FETCH (UID 9 BODY[] {body})\n{{tag}} OK done\n"
    with scripted(ANSWERS | {"UID FETCH": fetch, "UID SEARCH": HERE}) as server, pytest.raises(MailUnreadable) as error:
        list(mailbox(server.port).fetch([listed("9", size)], tmp_path, max_size=9_000_000))
    assert ("9", False) == (error.value.uid, error.value.of_server)


def test_a_mail_that_is_empty(tmp_path: Path) -> None:
    """A mail of no bytes, which the server says so of, is one."""
    with scripted(ANSWERS | {"UID FETCH": EMPTY, "UID SEARCH": HERE}) as server:
        (mail,) = mailbox(server.port).fetch([listed("9", 0)], tmp_path, max_size=9_000_000)
    assert b"" == mail.content


@pytest.mark.fault("A11-C3")
def test_a_literal_of_bytes(tmp_path: Path) -> None:
    """A mail that comes as a literal8 (RFC 9051 section 4.3.1) is what stands in it."""
    fetch = "* 1 FETCH (UID 9 BODY[] ~{5}\nhello)\n{tag} OK done\n"
    with scripted(ANSWERS | {"UID FETCH": fetch, "UID SEARCH": HERE}) as server:
        (mail,) = mailbox(server.port).fetch([listed("9", 5)], tmp_path, max_size=1000)
    assert b"hello" == mail.content


@pytest.mark.fault("A11-C5")
def test_a_size_far_beyond_the_limit(tmp_path: Path) -> None:
    """A mail whose named size is above the limit, and that ends long before, is whole; a large one is not."""
    for body, truncated in ((b"hello", False), (b"x" * 300_000, True)):
        answers = ANSWERS | {"UID FETCH": pieces_of(body, "* 1 FETCH (UID 9 BODY[]<N> NIL)\n{tag} OK done\n")}
        with scripted(answers | {"UID SEARCH": HERE}) as server:
            (mail,) = mailbox(server.port).fetch([listed("9", 50_000_000)], tmp_path, max_size=9_000_000)
        assert (body[: 256 << 10], truncated) == (mail.content, mail.truncated)


@pytest.mark.fault("A11-C6")
@pytest.mark.parametrize("when", ["01-Jan-0001 00:00:00 +0100", "31-Dec-9999 23:59:59 -0100"])
def test_a_time_that_no_calendar_holds(when: str) -> None:
    """A time of receipt at the end of the calendar is none: no zone but its own could express it."""
    sizes = f'* 1 FETCH (UID 9 RFC822.SIZE 5 INTERNALDATE "{when}")\n{{tag}} OK done\n'
    with scripted(ANSWERS | {"UID FETCH": sizes, "UID SEARCH": HERE}) as server:
        (found,) = mailbox(server.port).list_new("INBOX")
    assert None is found.received_at


@pytest.mark.fault("A11-C4")
def test_uids_at_the_end_of_all_uids() -> None:
    """In a large folder whose UIDs end near 2**32 no set goes beyond it, which a server would refuse."""
    from tests.servers.odd_imap import odd_imap

    def wish(line: str) -> str | None:
        uids = line.split(" ")[3] if line.startswith("UID SEARCH UID") else "1"
        return "BAD no such UID" if any(int(one) >= 2**32 for one in uids.split(":") if one.isdigit()) else None

    with odd_imap() as server:
        server.append(*[b"Subject: old\r\n\r\n"] * 1001)
        server.next["INBOX"] = 2**32 - 3
        server.append(b"Subject: new\r\n\r\n", b"Subject: newest\r\n\r\n")
        server.wish = wish
        box = mailbox(server.port)
        assert [str(2**32 - 3), str(2**32 - 2)] == [
            one.location.uid for one in box.list_new("INBOX", after="1001", limit=10)
        ]
        assert () == box.list_new("INBOX", after=str(2**32 - 1), limit=10)


@pytest.mark.fault("A11-C7")
@pytest.mark.parametrize("inbox", ["NIL INBOX", 'NIL "INBOX"'])
def test_an_inbox_that_holds_no_folders(inbox: str) -> None:
    """Where INBOX is listed without a delimiter, `/` stands for that of the other folders."""
    listing = f'* LIST (\\NoInferiors) {inbox}\n* LIST () "." "Support.done"\n{{tag}} OK done\n'
    with scripted(ANSWERS | {"LIST": listing}) as server:
        assert "7" == mailbox(server.port).state("Support/done").uid_validity
        assert 'SELECT "Support.done"' in server.lines


@pytest.mark.fault("A11-C2")
@pytest.mark.parametrize("told", ["0", "1", "3", "9"])
def test_a_next_uid_that_is_untrue(told: str) -> None:
    """What lies beyond the next UID that a server names is listed all the same."""
    answers = ANSWERS | {
        "SELECT": SELECTED.replace("UIDNEXT 12", f"UIDNEXT {told}"),
        "UID SEARCH": "* SEARCH 10 11\n{tag} OK done\n",
        "UID FETCH": "* 1 FETCH (UID 10 RFC822.SIZE 5)\n* 2 FETCH (UID 11 RFC822.SIZE 5)\n{tag} OK done\n",
    }
    with scripted(answers) as server:
        found = mailbox(server.port).list_new("INBOX", after="9", limit=50)
    assert ["10", "11"] == [one.location.uid for one in found]


@pytest.mark.parametrize(("code", "there"), [("[ALREADYEXISTS] ", True), ("", False)])
def test_a_folder_that_no_list_shows(code: str, *, there: bool) -> None:
    """A folder that no list shows, and that cannot be made since it is there, is there; a refused one is not."""
    answers = ANSWERS | {"LIST": "{tag} OK done\n", "CREATE": f"{{tag}} NO {code}no\n"}
    with scripted(answers) as server:
        if there:
            assert not mailbox(server.port).ensure_folder("Processed")
        else:
            with pytest.raises(FolderMissing):
                mailbox(server.port).ensure_folder("Processed")


def test_news_are_looked_at_once() -> None:
    """The pass that a look at the folder's next UID brings about does not open the folder again to be told the same."""
    with scripted(ANSWERS) as server:
        box = mailbox(server.port)
        box.state("INBOX")
        box._known_next["INBOX"] = 11  # what the last listing knew
        assert box.wait("INBOX", 5.0)
        assert 12 == box.state("INBOX").uid_next
        assert 2 == sum(line.startswith("SELECT") for line in server.lines)
        box.state("INBOX")
        assert 3 == sum(line.startswith("SELECT") for line in server.lines)

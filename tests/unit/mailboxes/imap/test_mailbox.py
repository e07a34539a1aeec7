"""What servers of other makes say, and what the adapter makes of it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.errors import FilingRefused, FolderMissing, LoginRefused, MailboxUnreachable, MailUnreadable
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.mailboxes.tls import private
from redmine_mailbridge.model.mailbox import Filing, Listed, Location, MailboxConfig, Security
from redmine_mailbridge.sasl.mechanism import Credentials
from redmine_mailbridge.sasl.selection import choose
from tests.scripted_server import Reply, scripted

SELECTED = """* FLAGS (\\Seen \\Deleted)
* 3 EXISTS
* OK [PERMANENTFLAGS (\\Seen \\Deleted)] limited
* OK [UIDVALIDITY 7] valid
* OK [UIDNEXT 12] next
{tag} OK [READ-WRITE] done
"""
ANSWERS: dict[str, Reply] = {
    "CAPABILITY": "* CAPABILITY IMAP4rev1\n{tag} OK done\n",
    "LIST": '* LIST (\\HasChildren) "." "INBOX"\n{tag} OK done\n',
    "SELECT": SELECTED,
}
HERE = Location("other", "INBOX", "7", "9")
OPENED: list[ImapMailbox] = []


def mailbox(port: int, **changes: Any) -> ImapMailbox:
    """Given a port, return a mailbox on it."""
    config = MailboxConfig(
        name="other", host="127.0.0.1", port=port, username="me", password="hunter22",
        security=Security.NONE, timeout=5.0,
    )  # fmt: skip
    OPENED.append(ImapMailbox(dataclasses.replace(config, **changes)))
    return OPENED[-1]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Close what a test opened."""
    yield
    while OPENED:
        OPENED.pop().close()


def capable(*names: str) -> dict[str, Reply]:
    """Given capabilities, return the answers of a server that has them."""
    return ANSWERS | {"CAPABILITY": f"* CAPABILITY IMAP4rev1 {' '.join(names)}\n{{tag}} OK done\n"}


def listed(uid: str, size: int = 20) -> Listed:
    """Given a UID, return a mail as listed."""
    return Listed(Location("other", "INBOX", "7", uid), size)


def test_too_many_connections() -> None:
    """A greeting that is a goodbye is later, with its words."""
    with scripted({}, "* BYE Too many connections") as server, pytest.raises(MailboxUnreachable, match="Too many"):
        mailbox(server.port).connect()


def test_a_login_that_fails_for_the_moment() -> None:
    """A login that the server refuses for a reason of its own (RFC 5530) is not a wrong password."""
    answers = ANSWERS | {"LOGIN": "{tag} NO [UNAVAILABLE] Directory is away\n"}
    with scripted(answers) as server, pytest.raises(MailboxUnreachable, match="Directory is away"):
        mailbox(server.port).connect()


def test_a_server_that_repeats_the_password() -> None:
    """A refusal shows the server's words, but not the password that the server repeats in them."""
    answers = ANSWERS | {"LOGIN": "{tag} NO [AUTHENTICATIONFAILED] hunter22 (aHVudGVyMjI=) is wrong for me\n"}
    with scripted(answers) as server, pytest.raises(LoginRefused, match="is wrong for me") as refused:
        mailbox(server.port).connect()
    assert "hunter22" not in str(refused.value)
    assert "aHVudGVyMjI=" not in str(refused.value)


def test_a_password_of_any_bytes_by_the_command_login() -> None:
    """A password with quotes, backslashes and letters beyond ASCII goes as it is, in UTF-8."""
    with scripted(ANSWERS) as server:
        mailbox(server.port, password='p"ä\\ss').connect()
        sent = 'LOGIN "me" p"ä\\ss'
        assert sent.encode().decode("latin-1") in server.lines


def test_no_starttls() -> None:
    """A server that does not offer STARTTLS never sees the password when the settings demand it."""
    with scripted(ANSWERS) as server, pytest.raises(MailboxUnreachable, match="TLS not supported"):
        mailbox(server.port, security=Security.STARTTLS).connect()
    assert not any(line.startswith(("LOGIN", "AUTH")) for line in server.lines)


def test_login_disabled() -> None:
    """A server that disables LOGIN and offers nothing is told so, and sees no password."""
    with scripted(capable("LOGINDISABLED")) as server, pytest.raises(LoginRefused, match="LOGINDISABLED"):
        mailbox(server.port).connect()
    assert not any(line.startswith(("LOGIN", "AUTH")) for line in server.lines)


def test_no_password_without_tls_to_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without TLS, and not on loopback, neither PLAIN nor LOGIN is tried unless the settings allow clear text."""
    who = Credentials("me", "me", password="hunter22")
    config = MailboxConfig(name="other", host="mail.example.com", port=143, username="me", security=Security.NONE)
    assert not private(config)
    assert private(dataclasses.replace(config, allow_cleartext=True))
    with pytest.raises(LoginRefused, match="without TLS"):
        choose(config, who, ["PLAIN", "LOGIN"], private=private(config))
    assert ("CRAM-MD5",) == choose(config, who, ["PLAIN", "CRAM-MD5"], private=private(config))


def test_authenticated_but_not_connected() -> None:
    """What Exchange answers to every command when the account has no mailbox is later, in its own words."""
    answers = ANSWERS | {"LIST": "{tag} BAD User is authenticated but not connected.\n"}
    with scripted(answers) as server, pytest.raises(MailboxUnreachable, match="authenticated but not connected"):
        mailbox(server.port).state("INBOX")


def test_a_search_that_is_refused_hides_no_mail(tmp_path: Path) -> None:
    """A server that refuses to search does not look like one without mails."""
    answers = ANSWERS | {"UID SEARCH": "{tag} NO [SERVERBUG] index broken\n"}
    with scripted(answers) as server:
        box = mailbox(server.port)
        with pytest.raises(MailboxUnreachable, match="index broken"):
            box.list_new("INBOX")
        with pytest.raises(MailboxUnreachable, match="index broken"):
            box.find("INBOX", "a@example.com")


def test_a_next_uid_far_away_costs_one_search() -> None:
    """A server that names a next UID beyond all that are there is asked once, not once for each stretch before it."""
    answers = capable() | {"SELECT": SELECTED.replace("UIDNEXT 12", "UIDNEXT 4294967295")}
    answers |= {"UID SEARCH": "* SEARCH 9\n{tag} OK done\n"}
    with scripted(answers) as server:
        assert () == mailbox(server.port).list_new("INBOX", after="9", limit=50)
        assert 1 == sum(line.startswith("UID SEARCH") for line in server.lines)


def test_the_last_mail_is_not_new() -> None:
    """A server that answers `UID SEARCH UID 12:*` with its last mail, below 12, has nothing new."""
    answers = capable() | {"UID SEARCH": "* SEARCH 9\n{tag} OK done\n", "SELECT": SELECTED.replace("UIDNEXT 12", "X 1")}
    with scripted(answers) as server:
        assert () == mailbox(server.port).list_new("INBOX", after="11")
        assert "UID SEARCH UID 12:* UNDELETED" in server.lines


def test_a_mail_that_is_not_handed_out(tmp_path: Path) -> None:
    """A mail that is there but cannot be fetched is an error that names it, after those before it came."""

    def fetch(line: str) -> str:
        if line.startswith("UID FETCH 9 ") or "," in line:
            return "* 1 FETCH (UID 8 BODY[] {2}\nhi)\n{tag} NO [SERVERBUG] cannot open\n"
        return "{tag} OK done\n"

    answers = ANSWERS | {"UID FETCH": fetch, "UID SEARCH": "* SEARCH 9\n{tag} OK done\n"}
    with scripted(answers) as server:
        box = mailbox(server.port)
        come = []
        with pytest.raises(MailUnreadable, match=r"UID 9: .*cannot open") as error:
            come.extend(box.fetch([listed("8"), listed("9"), listed("10")], tmp_path, max_size=1000))
    assert "9" == error.value.uid


def test_a_mail_of_which_the_server_knows_nothing_more(tmp_path: Path) -> None:
    """A NIL body, an answer for another mail and a flag change in between are no mails."""
    answer = '* 1 FETCH (UID 8 BODY[] NIL)\n* 2 FETCH (FLAGS (\\Seen))\n* 3 FETCH (UID 99 BODY[] "x")\n{tag} OK done\n'
    with scripted(ANSWERS | {"UID FETCH": answer}) as server:
        assert [] == list(mailbox(server.port).fetch([listed("8")], tmp_path, max_size=1000))


def test_a_size_that_is_a_lie(tmp_path: Path) -> None:
    """A mail that is longer than its named size comes whole up to the limit, and cut above it, as a file or not."""
    body = b"x" * 3_000_000

    def fetch(line: str) -> str:
        if "<" not in line:
            return f"* 1 FETCH (UID 9 BODY[] {{{len(body)}}}\n{body.decode()})\n{{tag}} OK done\n"
        offset, length = (int(part) for part in line.split("<")[1].split(">", maxsplit=1)[0].split("."))
        piece = body[offset : offset + length]
        return f"* 1 FETCH (UID 9 BODY[]<{offset}> {{{len(piece)}}}\n{piece.decode()})\n{{tag}} OK done\n"

    with scripted(ANSWERS | {"UID FETCH": fetch}) as server:
        box = mailbox(server.port)
        (whole,) = box.fetch([listed("9", 1_100_000)], tmp_path, max_size=5_000_000)
        (cut,) = box.fetch([listed("9", 1_100_000)], tmp_path, max_size=2_000_000)
        (small,) = box.fetch([listed("9", 10)], tmp_path, max_size=2_000_000)
    assert whole.path is not None
    assert body == whole.path.read_bytes()
    assert [(body[: 256 << 10], True)] * 2 == [(mail.content, mail.truncated) for mail in (cut, small)]


@pytest.mark.parametrize(
    ("answer", "filing"),
    [
        ("* OK [COPYUID 7 9 1] moved\n* 2 EXPUNGE\n{tag} OK done\n", Filing.MOVED),
        ("{tag} OK [COPYUID 7 9 1] done\n", Filing.MOVED),
        ("{tag} OK done\n", Filing.GONE),
    ],
)
def test_a_move_is_believed_when_it_is_proven(answer: str, filing: Filing) -> None:
    """A MOVE without COPYUID moved nothing, although its answer is OK."""
    with scripted(capable("MOVE", "UIDPLUS") | {"UID MOVE": answer}) as server:
        assert filing is mailbox(server.port).file(HERE, "Done")


def test_a_move_without_uidplus() -> None:
    """Where there is no COPYUID, the EXPUNGE that goes with the move is the proof."""
    with scripted(capable("MOVE") | {"UID MOVE": "* 2 EXPUNGE\n{tag} OK done\n"}) as server:
        assert Filing.MOVED is mailbox(server.port).file(HERE, "Done")
    with scripted(capable("MOVE")) as server:
        assert Filing.GONE is mailbox(server.port).file(HERE, "Done")


def test_neither_move_nor_uidplus() -> None:
    """An old server gets COPY and \\Deleted for this one UID, and no EXPUNGE."""
    with scripted(ANSWERS | {"UID SEARCH": "* SEARCH 9\n{tag} OK done\n"}) as server:
        assert Filing.MOVED is mailbox(server.port).file(HERE, "Done", first=True)
        commands = [line for line in server.lines if line.startswith(("UID", "EXPUNGE"))]
    changing = [line for line in commands if not line.startswith(("UID SEARCH", "UID FETCH"))]
    assert ['UID COPY 9 "Done"', "UID STORE 9 +FLAGS.SILENT (\\Deleted)"] == changing


def test_a_copy_that_is_refused_marks_nothing() -> None:
    """When the copy is refused, the mail is not marked as deleted."""
    answers = ANSWERS | {"UID SEARCH": "* SEARCH 9\n{tag} OK done\n", "UID COPY": "{tag} NO [OVERQUOTA] full\n"}
    with scripted(answers) as server:
        with pytest.raises(FilingRefused, match="full"):
            mailbox(server.port).file(HERE, "Done")
        assert not any(line.startswith("UID STORE") for line in server.lines)


@pytest.mark.parametrize(
    ("folder", "spelled"),
    [
        ("Done", "INBOX.Done"),
        ("inbox/errors", "INBOX.errors"),
        ("INBOX.errors", "INBOX.errors"),
        ("Old/2026", "INBOX.Old.2026"),
        ("Größe", "INBOX.Gr&APYA3w-e"),
        ("Public.Shared", "Public.Shared"),
        ("inbox", "INBOX"),
    ],
)
def test_a_prefix_and_another_delimiter(folder: str, spelled: str) -> None:
    """A name of the settings finds its folder below the account's prefix, with the server's delimiter."""
    answers = capable("NAMESPACE") | {
        "NAMESPACE": '* NAMESPACE (("INBOX." ".")) NIL (("Public." "."))\n{tag} OK done\n',
        "LIST": '* LIST () "." INBOX\n* LIST () "." "INBOX.Old"\n* LIST () "." "Public.Shared"\n{tag} OK done\n',
    }
    with scripted(answers) as server:
        mailbox(server.port).state(folder)
        assert f'SELECT "{spelled}"' in server.lines


def test_a_prefix_without_namespace() -> None:
    """Where every folder lies below INBOX, new ones are made there too."""
    answers = ANSWERS | {"LIST": '* LIST () "." INBOX\n* LIST () "." {9}\nINBOX.Old\n{tag} OK done\n'}
    answers["CREATE"] = "{tag} NO [CANNOT] not here\n"
    with scripted(answers) as server:
        with pytest.raises(FolderMissing, match="not here"):
            mailbox(server.port).ensure_folder("Done")
        assert 'CREATE "INBOX.Done"' in server.lines


def test_names_that_are_alike_are_suggested() -> None:
    """A folder that is missing is reported with those of a similar name."""
    answers = ANSWERS | {
        "LIST": '* LIST () "/" INBOX\n* LIST () "/" Processed\n{tag} OK done\n',
        "SELECT": "{tag} NO [NONEXISTENT] Unknown Mailbox\n",
    }
    with scripted(answers) as server, pytest.raises(FolderMissing, match=r"did you mean 'Processed'.*Unknown Mailbox"):
        mailbox(server.port).state("processed ")

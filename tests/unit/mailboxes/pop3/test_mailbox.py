"""What POP3 servers of other makes say, and what the adapter makes of it."""

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redmine_mailbridge.errors import FilingRefused, LoginRefused, MailboxUnreachable, MailUnreadable
from redmine_mailbridge.mailboxes.pop3.mailbox import Pop3Mailbox
from redmine_mailbridge.model.mailbox import Filing, LoginChoice, MailboxConfig, MailProtocol, Security
from tests.scripted_server import Reply, scripted

ANSWERS: dict[str, Reply] = {
    "CAPA": "+OK\nUSER\nUIDL\n.\n",
    "LIST": "+OK\n1 40\n.\n",
    "UIDL": "+OK\n1 one\n.\n",
    "USER": "+OK\n",
    "PASS": "+OK\n",
    "APOP": "+OK\n",
    "QUIT": "+OK\n",
}
OPENED: list[Pop3Mailbox] = []


def mailbox(port: int, **changes: Any) -> Pop3Mailbox:
    """Given a port, return a mailbox on it."""
    config = MailboxConfig(
        name="other", protocol=MailProtocol.POP3, host="127.0.0.1", port=port, username="me", password="hunter22",
        security=Security.NONE, timeout=5.0,
    )  # fmt: skip
    OPENED.append(Pop3Mailbox(dataclasses.replace(config, **changes)))
    return OPENED[-1]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Close what a test opened."""
    yield
    while OPENED:
        OPENED.pop().close()


def content(answers: dict[str, Reply], tmp_path: Path, max_size: int = 5_000_000, **changes: Any) -> list[bytes | None]:
    """Given answers, return the contents of the mails that are fetched."""
    with scripted(ANSWERS | answers, "+OK ready", tagged=False) as server:
        box = mailbox(server.port, **changes)
        return [mail.content for mail in box.fetch(box.list_new("INBOX"), tmp_path, max_size=max_size)]


def test_dots_and_lines_come_as_they_are(tmp_path: Path) -> None:
    """Doubled dots are single again, a lone LF stays one, and a line may be longer than any limit."""
    long_line = "x" * 300_000
    raw = f"+OK\nSubject: dots\n\n..\n...two\n.. three\n{long_line}\n.\n"
    assert [f"Subject: dots\r\n\r\n.\r\n..two\r\n. three\r\n{long_line}\r\n".encode()] == content(
        {"RETR": raw}, tmp_path
    )


def test_a_mail_that_ends_too_early(tmp_path: Path) -> None:
    """A mail whose final dot never comes is no mail."""
    with pytest.raises(MailboxUnreachable):
        content({"RETR": "+OK\nSubject: half\n\nhal"}, tmp_path, timeout=0.5)


def test_a_mail_that_is_not_handed_out(tmp_path: Path) -> None:
    """A mail that is there but is refused is an error that names it, with the server's words."""
    with pytest.raises(MailUnreadable, match="virus found") as error:
        content({"RETR": "-ERR virus found\n"}, tmp_path)
    assert "one" == error.value.uid


def test_no_top(tmp_path: Path) -> None:
    """Without TOP, the beginning of a mail above the limit is read by RETR."""
    body = "y" * 1_000_000
    (beginning,) = content({"RETR": f"+OK\n{body}\n.\n", "LIST": "+OK\n1 1000002\n.\n"}, tmp_path, max_size=1000)
    assert body[: 256 << 10].encode() == beginning


def test_apop() -> None:
    """APOP is used where the greeting has a time stamp, before the password itself would be sent."""
    with scripted(ANSWERS, "+OK ready <1.2@example.com>", tagged=False) as server:
        box = mailbox(server.port)
        box.connect()
        digest = hashlib.md5(b"<1.2@example.com>hunter22").hexdigest()  # noqa: S324 - what APOP is
        assert ("APOP", True) == (box.session.mechanism, f"APOP me {digest}" in server.lines)
        assert not any("hunter22" in line for line in server.lines)


def test_apop_asked_for_and_not_there() -> None:
    """APOP that is asked for and not offered is refused before any password is sent."""
    with (
        scripted(ANSWERS, "+OK ready", tagged=False) as server,
        pytest.raises(LoginRefused, match="allowed here: APOP"),
    ):
        mailbox(server.port, login=LoginChoice.APOP).connect()
    assert not any("hunter22" in line for line in server.lines)


def test_a_refused_login() -> None:
    """A refused login shows the server's words without the password that is repeated in them."""
    answers = ANSWERS | {"PASS": "-ERR [AUTH] hunter22 is not the word\n"}
    with (
        scripted(answers, "+OK", tagged=False) as server,
        pytest.raises(LoginRefused, match="is not the word") as refused,
    ):
        mailbox(server.port).connect()
    assert "hunter22" not in str(refused.value)


def test_a_mailbox_in_use() -> None:
    """A mailbox that somebody else reads just now is later, not a wrong password."""
    answers = ANSWERS | {"PASS": "-ERR [IN-USE] locked by another session\n"}
    with scripted(answers, "+OK", tagged=False) as server, pytest.raises(MailboxUnreachable, match="locked by another"):
        mailbox(server.port).connect()


def test_no_stls() -> None:
    """A server that does not offer STLS never sees the password when the settings demand it."""
    with (
        scripted(ANSWERS, "+OK", tagged=False) as server,
        pytest.raises(MailboxUnreachable, match="STLS not supported"),
    ):
        mailbox(server.port, security=Security.STARTTLS).connect()
    assert not any("hunter22" in line for line in server.lines)


def test_an_inhospitable_greeting() -> None:
    """A greeting that is a refusal is later, with its words."""
    with (
        scripted({}, "-ERR too many connections", tagged=False) as server,
        pytest.raises(MailboxUnreachable, match="too many"),
    ):
        mailbox(server.port).connect()


def test_a_deletion_that_is_refused() -> None:
    """A mail that the server will not delete is told in its words, stays, and stops nothing else."""
    refusal = {"DELE": "-ERR [SYS/PERM] maildrop is read-only\n"}
    with scripted(ANSWERS | refusal, "+OK ready", tagged=False) as server:
        box = mailbox(server.port)
        (mail,) = box.list_new("INBOX")
        with pytest.raises(FilingRefused, match=r"DELE: -ERR \[SYS/PERM\] maildrop is read-only"):
            box.delete(mail.location)
        assert [mail.location] == [found.location for found in box.list_new("INBOX")]
        assert box.close()
        box.connect()
    assert 1 == server.lines.count("DELE 1")


def test_an_end_that_is_not_confirmed() -> None:
    """Deletions that QUIT does not confirm are told as not done, asked for again, and done when the mail is gone."""
    there = ["+OK\n1 one\n.\n", "+OK\n1 one\n.\n", "+OK\n.\n"]
    ends = ["-ERR some deleted messages not removed\n", "-ERR again\n", "+OK\n"]
    answers: dict[str, Reply] = {
        "UIDL": lambda _line: there.pop(0),
        "QUIT": lambda _line: ends.pop(0),
        "DELE": "+OK\n",
    }
    with scripted(ANSWERS | answers, "+OK ready", tagged=False) as server:
        box = mailbox(server.port)
        (mail,) = box.list_new("INBOX")
        assert (Filing.DELETED, False) == (box.delete(mail.location), box.close())
        box.connect()
        assert not box.close()
        box.connect()
        assert box.close()
    assert 2 == server.lines.count("DELE 1")


@pytest.mark.fault("A11-C1")
@pytest.mark.parametrize("max_size", [5_000_000, 10])
def test_no_bytes_of_a_mail_that_has_a_size(tmp_path: Path, max_size: int) -> None:
    """A server that says OK and sends nothing hands the mail out not: an empty one would be deleted as done."""
    with pytest.raises(MailUnreadable, match="not a byte of it"):
        content({"RETR": "+OK\n.\n", "TOP": "+OK\n.\n"}, tmp_path, max_size)

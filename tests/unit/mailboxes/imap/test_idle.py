"""Waiting by IDLE: what ends it, what does not, and what servers do to it."""

import time
from collections.abc import Iterator

import pytest

from redmine_mailbridge.errors import MailboxUnreachable
from redmine_mailbridge.mailboxes.imap import client as imap_client
from redmine_mailbridge.mailboxes.imap import idle
from tests.scripted_server import scripted
from tests.unit.mailboxes.imap.test_mailbox import ANSWERS, OPENED, capable, mailbox


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Close what a test opened."""
    yield
    while OPENED:
        OPENED.pop().close()


def test_news_in_the_same_packet_as_the_beginning_of_idle() -> None:
    """What the server says in the same packet as `+ idling` ends the wait at once."""
    answers = capable("IDLE") | {"IDLE": "+ idling\n* 4 EXISTS\n", "DONE": "{idle} OK done\n"}
    with scripted(answers) as server:
        box = mailbox(server.port)
        started = time.monotonic()
        assert box.wait("INBOX", 30)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "said",
    ["* OK Still here\n", "* 2 FETCH (FLAGS (\\Seen))\n", "* 2 EXPUNGE\n", "* 2 EXPUNGE\n* 2 EXISTS\n", "* 0 RECENT\n"],
    ids=["keeps the line open", "flags", "a mail that is gone", "a mail that is gone, counted", "recent"],
)
def test_what_is_no_mail_ends_no_wait(said: str) -> None:
    """While a mailbox is listened to, what its server says of other things than new mail brings no pass about."""
    answers = capable("IDLE") | {"IDLE": "+ idling\n" + said, "DONE": "{idle} OK done\n"}
    with scripted(answers) as server:
        assert not mailbox(server.port).wait("INBOX", 0.3)
        assert 1 == server.lines.count("IDLE")


@pytest.mark.parametrize(
    "said", ["* 4 EXISTS\n", "* 2 EXPUNGE\n* 3 EXISTS\n", "* OK Still here\n* 1 RECENT\n* 4 EXISTS\n"]
)
def test_a_mail_ends_a_wait_whatever_comes_with_it(said: str) -> None:
    """More mails than there were end the wait at once, also behind other news."""
    answers = capable("IDLE") | {"IDLE": "+ idling\n" + said, "DONE": "{idle} OK done\n"}
    with scripted(answers) as server:
        assert mailbox(server.port).wait("INBOX", 30)


@pytest.mark.parametrize("ends", ["{tag} NO [LIMIT] not now\n", "{tag} BAD what\n", "+ idling\n{tag} OK that was it\n"])
def test_an_idle_that_the_server_ends_is_an_error(ends: str) -> None:
    """An IDLE that is refused, or that the server ends at once, is told with its words, and not begun again."""
    with scripted(capable("IDLE") | {"IDLE": ends}) as server:
        with pytest.raises(MailboxUnreachable, match=r"IDLE: the server ended it: (NO|BAD|OK)"):
            mailbox(server.port).wait("INBOX", 30)
        assert 1 == server.lines.count("IDLE")


def test_a_server_that_never_ends_an_idle_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer DONE is waited for a short while, not for the time-out of a large mail."""
    monkeypatch.setattr(idle, "END_WITHIN", 0.2)
    answers = capable("IDLE") | {"IDLE": "+ idling\n", "DONE": ""}
    started = time.monotonic()
    with scripted(answers) as server, pytest.raises(MailboxUnreachable, match="no answer in time"):
        mailbox(server.port, timeout=60.0).wait("INBOX", 0.1)
    assert time.monotonic() - started < 10


def test_an_answer_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that talks on and on in one answer is left."""
    monkeypatch.setattr(imap_client, "MOST_LINES", 1000)
    with scripted(ANSWERS | {"NOOP": "* 3 EXISTS\n" * 5000}) as server:
        box = mailbox(server.port)
        box.state("INBOX")
        with pytest.raises(MailboxUnreachable, match="more than 1000 lines and no end"):
            box.session.command("NOOP")


def test_mail_is_found_where_the_server_counts_nothing() -> None:
    """A SELECT without UIDNEXT and without EXISTS hides no mail, and a mailbox that is quiet is not called new."""
    spare = "* OK [UIDVALIDITY 7] valid\n{tag} OK done\n"
    uids = ["9"]
    answers = capable() | {"SELECT": spare, "UID SEARCH": lambda _line: f"* SEARCH {uids[-1]}\n{{tag}} OK done\n"}
    answers["UID FETCH"] = lambda _line: f"* 1 FETCH (UID {uids[-1]} RFC822.SIZE 20)\n{{tag}} OK done\n"
    with scripted(answers) as server:
        box = mailbox(server.port)
        assert ["9"] == [mail.location.uid for mail in box.list_new("INBOX")]
        assert not box.wait("INBOX", 0.05)
        uids.append("11")
        assert box.wait("INBOX", 30)
        assert ["11"] == [mail.location.uid for mail in box.list_new("INBOX", after="9")]


def test_idle_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait is made of several IDLEs, each shorter than the time after which servers and routers hang up."""
    monkeypatch.setattr(idle, "RENEW", 0.05)
    answers = capable("IDLE") | {"IDLE": "+ idling\n", "DONE": "{idle} OK done\n"}
    with scripted(answers) as server:
        assert not mailbox(server.port).wait("INBOX", 0.4)
        assert 3 <= server.lines.count("IDLE")

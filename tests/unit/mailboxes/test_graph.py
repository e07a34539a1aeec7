"""What Microsoft Graph answers when not all is well, and what the adapter makes of it."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest

from redmine_mailbridge.errors import FilingRefused, LoginRefused, MailboxUnreachable, MailUnreadable
from redmine_mailbridge.mailboxes.backoff import hint
from redmine_mailbridge.mailboxes.base import Filing, Security
from redmine_mailbridge.mailboxes.graph import GraphMailbox
from tests.mail_worlds import LIMIT, graph_config, letter
from tests.servers.graph import GraphServer, graph_server
from tests.servers.proxy import Fault, FaultProxy


@pytest.fixture
def server() -> Iterator[GraphServer]:
    """A new account."""
    with graph_server() as made:
        yield made


@pytest.fixture
def box(server: GraphServer) -> Iterator[GraphMailbox]:
    """The account."""
    made = GraphMailbox(graph_config(server))
    yield made
    made.close()


def test_a_refused_token(server: GraphServer) -> None:
    """A token that is not taken is a refused login, in Graph's words, without the token, and its giver is told."""
    told: list[str] = []
    config = graph_config(server, token=lambda: "old-token", token_refused=told.append)
    with pytest.raises(LoginRefused, match="401 InvalidAuthenticationToken: Lifetime validation failed") as refused:
        GraphMailbox(config).connect()
    assert "old-token" not in str(refused.value)
    assert ["old-token"] == told


def test_no_token_without_protection(server: GraphServer) -> None:
    """Neither without a token nor without TLS is anybody asked."""
    with pytest.raises(LoginRefused, match="takes OAuth tokens only"):
        GraphMailbox(graph_config(server, token=None)).connect()
    with pytest.raises(LoginRefused, match="without TLS no token is sent"):
        GraphMailbox(graph_config(server, host="graph.example.com", security=Security.NONE)).connect()
    assert [] == server.asked


def test_a_shared_mailbox(server: GraphServer) -> None:
    """The username's second piece names the mailbox that is opened; one that may not be is refused in Graph's words."""
    config = graph_config(server, username=rf"agent@example.com\{server.user}")
    assert 0 == GraphMailbox(config).state("INBOX").messages
    with pytest.raises(LoginRefused, match="ErrorInvalidUser"):
        GraphMailbox(graph_config(server, username="other@example.com")).connect()


def test_throttled(server: GraphServer, box: GraphMailbox) -> None:
    """Graph that throttles has the mailbox wait as long as its Retry-After says."""
    box.connect()
    server.refuse(429, "ApplicationThrottled", "Application is over its MailboxConcurrency limit.", Retry_After="17")
    with pytest.raises(MailboxUnreachable, match="MailboxConcurrency") as refused:
        box.list_new("INBOX")
    assert 17.0 == hint(str(refused.value))
    assert () == box.list_new("INBOX")


def test_only_changes_are_asked_for(server: GraphServer, box: GraphMailbox) -> None:
    """A folder of many mails is read page by page once; after that only what has changed crosses the network."""
    server.append(*(letter(number) for number in range(1200)))
    listed = box.list_new("INBOX")
    assert 1200 == len(listed)
    before = len(server.asked)
    server.append(letter(2000))
    (new,) = box.list_new("INBOX", after=listed[-1].location.uid)
    assert len(letter(2000)) == new.size
    assert 1 == len(server.asked) - before


def test_a_forgotten_link(server: GraphServer, box: GraphMailbox) -> None:
    """When Graph has forgotten where we were (410), all is asked for again, and nothing comes twice or is lost."""
    server.append(letter(1))
    (first,) = box.list_new("INBOX")
    server.forget()
    server.append(letter(2))
    (second,) = box.list_new("INBOX", after=first.location.uid)
    assert first.location != second.location


def test_after_a_restart(server: GraphServer, box: GraphMailbox) -> None:
    """A new process lists what the store does not know, and nothing older than the cursor when that mail is gone."""
    server.append(letter(1), letter(2), letter(3))
    one, two, three = (mail.location.uid for mail in box.list_new("INBOX"))

    def known(uids: Sequence[str]) -> Collection[str]:
        return {uid for uid in uids if uid in {one, two}}

    again = GraphMailbox(graph_config(server), known)
    assert [three] == [mail.location.uid for mail in again.list_new("INBOX", after=one)]
    later = "29990101T000000Z-gone"
    assert () == again.list_new("INBOX", after=later)
    again.close()


def test_dragged_back(server: GraphServer, box: GraphMailbox) -> None:
    """A mail that was filed and is dragged back is a new one."""
    server.append(letter(1))
    box.ensure_folder("Failed")
    (first,) = box.list_new("INBOX")
    assert Filing.MOVED is box.file(first.location, "Failed")
    (failed,) = box.list_new("Failed")
    assert Filing.MOVED is box.file(failed.location, "INBOX")
    (back,) = box.list_new("INBOX", after=first.location.uid)
    assert first.location.uid != back.location.uid


def test_a_move_that_is_refused(server: GraphServer, box: GraphMailbox) -> None:
    """A full mailbox, or one that may only be read, refuses a move in Graph's words, and the mail stays."""
    server.append(letter(1))
    box.ensure_folder("Processed")
    (mail,) = box.list_new("INBOX")
    server.refuse(507, "ErrorQuotaExceeded", "The mailbox has exceeded its quota.")
    with pytest.raises(FilingRefused, match="exceeded its quota"):
        box.file(mail.location, "Processed")
    assert 1 == len(server.contents())


def test_a_mail_that_is_not_handed_out(server: GraphServer, box: GraphMailbox, tmp_path: Path) -> None:
    """A mail that is there and is refused is unreadable at its place, with Graph's words."""
    server.append(letter(1))
    listed = box.list_new("INBOX")
    server.refuse(400, "ErrorMimeContentInvalid", "Mime content cannot be made.")
    with pytest.raises(MailUnreadable, match="Mime content cannot be made") as refused:
        list(box.fetch(listed, tmp_path, max_size=LIMIT))
    assert listed[0].location.uid == refused.value.uid


def test_cut_while_fetching(server: GraphServer, tmp_path: Path) -> None:
    """A connection that breaks inside a mail is an error, never a shorter mail, and no file is left."""
    server.append(letter(1, 3 << 20))
    with FaultProxy(server.port, "http") as proxy:
        box = GraphMailbox(graph_config(server, port=proxy.port))
        proxy.plan(Fault("response", "close", match=b"$value", after=2_000_000))
        direct = GraphMailbox(graph_config(server))
        listed = direct.list_new("INBOX")
        with pytest.raises(MailboxUnreachable):
            list(box.fetch(listed, tmp_path, max_size=LIMIT))
        assert [] == list(tmp_path.iterdir())
        (whole,) = box.fetch(listed, tmp_path, max_size=LIMIT)
        assert whole.path is not None
        assert letter(1, 3 << 20) == whole.path.read_bytes()
        box.close()
        direct.close()


def test_a_link_to_another_server(server: GraphServer) -> None:
    """A link that leads to another server is not followed: it would be given the token."""
    server.append(*(letter(number) for number in range(600)))
    with FaultProxy(server.port, "http") as proxy:  # the server's links name its own port, not the proxy's
        box = GraphMailbox(graph_config(server, port=proxy.port))
        with pytest.raises(MailboxUnreachable, match="another one, which gets no token"):
            box.list_new("INBOX")
        box.close()


def test_nobody_there(server: GraphServer) -> None:
    """A server that takes no connections is unreachable, with the reason."""
    config = graph_config(server)
    server.close()
    with pytest.raises(MailboxUnreachable, match="Connection refused"):
        GraphMailbox(config).connect()

"""What Microsoft Graph answers when not all is well, and what the adapter makes of it."""

import datetime as dt
import json
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pytest
import responses

from redmine_mailbridge.errors import FilingRefused, FolderMissing, LoginRefused, MailboxUnreachable, MailUnreadable
from redmine_mailbridge.mailboxes.graph.client import GraphClient
from redmine_mailbridge.mailboxes.graph.mailbox import GraphMailbox
from redmine_mailbridge.model.mailbox import Filing, MailboxConfig, MailProtocol, Security
from redmine_mailbridge.util.backoff import hint
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
    """A new process lists what the store does not know, wherever the cursor stands and whether its mail is there."""
    server.append(letter(1), letter(2), letter(3))
    one, two, three = (mail.location.uid for mail in box.list_new("INBOX"))

    def known(uids: Sequence[str]) -> Collection[str]:
        return {uid for uid in uids if uid in {one, two}}

    again = GraphMailbox(graph_config(server), known)
    assert [three] == [mail.location.uid for mail in again.list_new("INBOX", after=one)]
    again.close()


@pytest.mark.fault("I11")
@pytest.mark.parametrize("restarted", [False, True])
def test_a_mail_that_enters_later_than_it_was_received(
    server: GraphServer, box: GraphMailbox, *, restarted: bool
) -> None:
    """A mail that comes out of Junk, received before the last mail that was read and filed, is listed."""
    server.append(letter(1))
    box.ensure_folder("Processed")
    (first,) = box.list_new("INBOX")
    box.file(first.location, "Processed")
    server.bring_in(letter(2), dt.datetime.now(dt.UTC) - dt.timedelta(days=3))
    reader = GraphMailbox(graph_config(server), known=lambda _uids: ()) if restarted else box
    assert [len(letter(2))] == [mail.size for mail in reader.list_new("INBOX", after=first.location.uid)]
    reader.close()


@pytest.mark.fault("I11")
def test_a_late_mail_behind_a_cursor_that_is_still_there(server: GraphServer, box: GraphMailbox) -> None:
    """After a restart a mail that was received before the cursor's, which stays where it is, is listed all the same."""
    server.append(letter(1))
    (first,) = box.list_new("INBOX")
    server.bring_in(letter(2), dt.datetime.now(dt.UTC) - dt.timedelta(days=3))
    again = GraphMailbox(graph_config(server), known=lambda uids: {first.location.uid} & set(uids))
    assert [len(letter(2))] == [mail.size for mail in again.list_new("INBOX", after=first.location.uid)]
    again.close()


def test_a_late_mail_when_the_link_is_forgotten(server: GraphServer, box: GraphMailbox) -> None:
    """When all is asked for again, a mail that has entered since is listed, and what was listed or has left is not."""
    server.append(letter(1), letter(2))
    first, last = box.list_new("INBOX")
    server.forget()
    server.remove(1)
    server.bring_in(letter(3), dt.datetime.now(dt.UTC) - dt.timedelta(days=3))
    (late,) = box.list_new("INBOX", after=last.location.uid)
    assert late.location.uid < first.location.uid


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


@pytest.mark.fault("C3")
def test_the_folder_to_file_to_is_gone(server: GraphServer, box: GraphMailbox) -> None:
    """A folder that somebody has removed is named as missing, and the mail is neither moved nor called gone."""
    server.append(letter(1))
    box.ensure_folder("Processed")
    (mail,) = box.list_new("INBOX")
    server.remove_folder("Processed")
    with pytest.raises(FolderMissing, match="Processed"):
        box.file(mail.location, "Processed")
    assert box.ensure_folder("Processed")
    assert Filing.MOVED is box.file(mail.location, "Processed")
    assert Filing.GONE is box.file(mail.location, "Processed")


def test_the_folder_to_file_to_was_made_anew(server: GraphServer, box: GraphMailbox) -> None:
    """A folder that was removed and made anew, and so has another id, takes the mail at the next try."""
    server.append(letter(1))
    box.ensure_folder("Processed")
    (mail,) = box.list_new("INBOX")
    server.remove_folder("Processed")
    GraphMailbox(graph_config(server)).ensure_folder("Processed")
    with pytest.raises(FilingRefused, match="'Processed' was not found"):
        box.file(mail.location, "Processed")
    assert Filing.MOVED is box.file(mail.location, "Processed")


@pytest.mark.fault("C3")
def test_the_folder_to_file_to_lies_in_the_bin(
    server: GraphServer, box: GraphMailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that was deleted in Outlook, and takes mail among the deleted items, counts as missing."""
    monkeypatch.setattr("redmine_mailbridge.mailboxes.graph.folders.FRESH", 0.0, raising=False)
    server.append(letter(1))
    box.ensure_folder("Processed")
    (mail,) = box.list_new("INBOX")
    server.bin_folder("Processed")
    with pytest.raises(FolderMissing, match="Processed"):
        box.file(mail.location, "Processed")
    assert 1 == len(server.contents())


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


@pytest.mark.fault("A11-C1")
def test_no_bytes_of_a_mail_that_has_a_size(server: GraphServer, box: GraphMailbox, tmp_path: Path) -> None:
    """A 200 without a byte of a mail that has a size does not hand it out: it is not an empty mail."""
    server.append(letter(1))
    listed = box.list_new("INBOX")
    (message,) = [one for folder in server.folders.values() for one in folder.messages.values()]
    message.raw = b""
    with pytest.raises(MailUnreadable, match="not a byte"):
        list(box.fetch(listed, tmp_path, max_size=LIMIT))


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


@pytest.mark.fault("I10")
@responses.activate
def test_links_as_microsoft_writes_them() -> None:
    """A next link without a port is followed: it is the same server as the one with the protocol's own port."""
    page = re.compile(r"https://graph\.microsoft\.com(:443)?/v1\.0/users/desk@example\.com/messages\?page=1")
    link = "https://graph.microsoft.com/v1.0/users/desk@example.com/messages?page=2"
    responses.get(page, json={"value": [{"id": 1}], "@odata.nextLink": link})
    responses.get(link, json={"value": [{"id": 2}]})
    config = MailboxConfig(
        name="desk",
        host="graph.microsoft.com",
        port=443,
        username="desk@example.com",
        protocol=MailProtocol.GRAPH,
        token=lambda: "good",
    )
    client = GraphClient(config)
    assert [1, 2] == [one["id"] for one in client.values("/messages?page=1")]
    client.close()


@pytest.mark.parametrize(
    "link",
    [
        "https://graph.microsoft.com.evil.example/v1.0/x",
        "https://graph.microsoft.com@evil.example/v1.0/x",
        "https://evil.example@graph.microsoft.com/v1.0/x",
        "https://graph.microsoft.com:444/v1.0/x",
        "https://graph.microsoft.com:x/v1.0/x",
        "http://graph.microsoft.com/v1.0/x",
        "https://evil.example/graph.microsoft.com",
    ],
)
def test_links_that_only_look_alike(link: str) -> None:
    """A link that names another host, port or protocol gets no token."""
    config = MailboxConfig(
        name="desk", host="graph.microsoft.com", port=443, username="desk", protocol=MailProtocol.GRAPH, token=str
    )
    client = GraphClient(config)
    with pytest.raises(MailboxUnreachable, match="another one, which gets no token"):
        client.call("GET", link)
    client.close()


@pytest.mark.fault("A23-12")
@pytest.mark.parametrize("page", [{}, {"value": None}, {"value": 5}, {"value": ["x"]}, {"value": [{}]}])
def test_changes_that_are_no_list(server: GraphServer, box: GraphMailbox, page: dict[str, object]) -> None:
    """A page of changes that lacks its list, or the ids in it, is an error of the server's, and not a folder without
    mails: what is in the folder is listed when the server answers well again.
    """
    server.append(letter(1))
    with responses.RequestsMock() as mock:
        mock.get(re.compile(r".*/messages/delta.*"), json=page)
        mock.add_passthru(re.compile(r"^((?!/messages/delta).)*$"))
        with pytest.raises(MailboxUnreachable):
            list(box.list_new("INBOX"))
    assert 1 == len(list(box.list_new("INBOX")))


def test_nobody_there(server: GraphServer) -> None:
    """A server that takes no connections is unreachable, with the reason."""
    config = graph_config(server)
    server.close()
    with pytest.raises(MailboxUnreachable, match="Connection refused"):
        GraphMailbox(config).connect()


def test_what_the_server_empties(server: GraphServer, box: GraphMailbox) -> None:
    """The deleted items, whatever their name, and the folders in them are emptied by the server; others are not."""
    for folder in ("Processed", "Kept", "Kept/Weg"):
        box.ensure_folder(folder)
    assert not any(box.empties(folder) for folder in ("INBOX", "Processed", "Kept/Weg"))
    server.bin_folder("Kept")
    folders = box.folders()
    assert {name for name in folders if name.startswith("Gelöschte")} == {name for name in folders if box.empties(name)}


@pytest.mark.parametrize(("step", "most"), [(0, 3), (1, 7)], ids=["back to the first", "on and on"])
def test_pages_that_have_no_end(server: GraphServer, monkeypatch: pytest.MonkeyPatch, step: int, most: int) -> None:
    """An answer whose pages lead back to one of them, or on and on, ends in an error and not in requests for ever."""
    monkeypatch.setattr("redmine_mailbridge.mailboxes.graph.client.MOST_PAGES", 5)
    client = GraphClient(graph_config(server))
    asked = []

    def page(request: object) -> tuple[int, dict[str, str], str]:
        asked.append(request)
        link = f"{client.root}/pages?at={len(asked) * step}"
        return (200, {}, json.dumps({"value": [], "@odata.nextLink": link})) if len(asked) < 50 else (500, {}, "")

    with responses.RequestsMock() as mock:
        mock.add_callback(responses.GET, re.compile(re.escape(client.root)), page)
        with pytest.raises(MailboxUnreachable, match="no end"):
            list(client.pages("/pages"))
    assert len(asked) <= most

"""What asks before something is changed on a server: without its consent nothing is, while reading goes on."""

import dataclasses
import select
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from redmine_mailbridge.errors import LockLost, MailbridgeError
from redmine_mailbridge.mailboxes.graph.client import GraphClient
from redmine_mailbridge.mailboxes.graph.mailbox import GraphMailbox
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.mailboxes.imap.sent import SentFolder
from redmine_mailbridge.mailboxes.pop3.mailbox import Pop3Mailbox
from redmine_mailbridge.model.mailbox import Location, MailboxConfig, MailProtocol, Security
from redmine_mailbridge.outgoing.graph import GraphTransport
from tests.mail_worlds import graph_config, letter
from tests.scripted_server import Reply, scripted
from tests.servers.graph import graph_server

pytestmark = pytest.mark.fault("I7")

SELECTED = """* 3 EXISTS
* OK [PERMANENTFLAGS (\\*)] any
* OK [UIDVALIDITY 7] valid
* OK [UIDNEXT 12] next
{tag} OK [READ-WRITE] done
"""
IMAP: dict[str, Reply] = {
    "CAPABILITY": "* CAPABILITY IMAP4rev1 UIDPLUS MOVE\n{tag} OK done\n",
    "LIST": '* LIST () "." "INBOX"\n* LIST (\\Sent) "." "Sent"\n{tag} OK done\n',
    "SELECT": SELECTED,
    "UID SEARCH": "* SEARCH 9\n{tag} OK done\n",
    "UID FETCH": "{tag} OK done\n",
}
CHANGES = ("UID MOVE", "UID COPY", "UID STORE", "UID EXPUNGE", "APPEND", "CREATE", "SUBSCRIBE")
POP3: dict[str, Reply] = {
    "CAPA": "+OK\nUSER\nUIDL\n.\n", "LIST": "+OK\n1 40\n.\n", "UIDL": "+OK\n1 one\n.\n", "USER": "+OK\n",
    "PASS": "+OK\n", "RETR": "+OK\nSubject: x\n\n.\n", "DELE": "+OK\n", "QUIT": "+OK\n",
}  # fmt: skip
MAIL = b"From: desk@example.com\r\nTo: kim@client.example\r\nMessage-ID: <a@example.com>\r\n\r\nHello\r\n"
HERE = Location("other", "INBOX", "7", "9")


class Check:
    """Consents, until it no longer does."""

    def __init__(self) -> None:
        self.calls = 0
        self.consents = False
        self.refuse_at = 0

    def __call__(self) -> None:
        self.calls += 1
        if not self.consents or self.calls == self.refuse_at:
            raise LockLost("it has ended")


def config_of(port: int, protocol: MailProtocol, check: Check) -> MailboxConfig:
    """Given a port and what asks, return how to reach the mailbox there."""
    return MailboxConfig(
        name="other", protocol=protocol, host="127.0.0.1", port=port, username="me", password="hunter22",
        security=Security.NONE, timeout=5.0, before_change=check,
    )  # fmt: skip


def in_mailbox(config: MailboxConfig, change: Callable[[ImapMailbox], object]) -> None:
    """Have something changed in a mailbox."""
    box = ImapMailbox(config)
    try:
        change(box)
    finally:
        box.close()


def save(config: MailboxConfig) -> None:
    """Put a copy into the folder of what was sent."""
    with SentFolder(config) as folder:
        folder.save("none@example.com", letter(1), 0.0)


@pytest.mark.parametrize(
    "change",
    [
        lambda config: in_mailbox(config, lambda box: box.file(HERE, "Sent")),
        lambda config: in_mailbox(config, lambda box: box.delete(HERE)),
        lambda config: in_mailbox(config, lambda box: box.mark(HERE)),
        lambda config: in_mailbox(config, lambda box: box.ensure_folder("New")),
        save,
    ],
    ids=["file", "delete", "mark", "make", "save"],
)
def test_imap(change: Callable[[MailboxConfig], object]) -> None:
    """No command that changes something is sent; with consent it is."""
    check = Check()
    nothing_found = IMAP | {"UID SEARCH": "* SEARCH\n{tag} OK done\n"} if change is save else IMAP
    with scripted(nothing_found) as server:
        config = config_of(server.port, MailProtocol.IMAP, check)
        with pytest.raises(LockLost):
            change(config)
        assert 1 == check.calls
        assert [] == [line for line in server.lines if line.startswith(CHANGES)]
        check.consents = True
        try:
            change(config)
        except MailbridgeError as error:
            assert not isinstance(error, LockLost)  # noqa: PT017 - whatever the scripted server answers
        assert [line for line in server.lines if line.startswith(CHANGES)]


@pytest.mark.fault("A44-6")
@pytest.mark.parametrize("refuse_at", [2, 3])
def test_imap_stops_in_the_middle_of_a_copy(refuse_at: int) -> None:
    """A copy of a sent mail for whose bytes the server's consent was awaited is not stored, if what asks says no by
    then: neither the message nor the command's end leave. With consent, both do.
    """
    check = Check()
    check.consents = True
    with scripted(IMAP | {"UID SEARCH": "* SEARCH\n{tag} OK done\n", "APPEND": "+ go on\n"}) as server:
        check.refuse_at = refuse_at
        with pytest.raises(LockLost):
            save(config_of(server.port, MailProtocol.IMAP, check))
        assert refuse_at == check.calls


def test_pop3(tmp_path: Path) -> None:
    """What is marked for deletion is not deleted: the connection ends without QUIT, and nothing is confirmed."""
    check = Check()
    with scripted(POP3, "+OK ready", tagged=False) as server:
        box = Pop3Mailbox(config_of(server.port, MailProtocol.POP3, check))
        (listed,) = box.list_new("INBOX")
        list(box.fetch([listed], tmp_path, max_size=1000))
        box.delete(listed.location)
        assert not box.close()
        assert (1, True, False) == (check.calls, "DELE 1" in server.lines, "QUIT" in server.lines)
        check.consents = True
        box.connect()
        box.close()
        assert "QUIT" in server.lines


def test_graph() -> None:
    """Mails are read, but not moved, deleted or marked, and no folder is made."""
    check = Check()
    with graph_server() as server:
        server.append(letter(1))
        box = GraphMailbox(dataclasses.replace(graph_config(server), before_change=check))
        (listed,) = box.list_new("INBOX")
        for change in (
            lambda: box.ensure_folder("New"),
            lambda: box.file(listed.location, "Entwürfe"),
            lambda: box.delete(listed.location),
            lambda: box.mark(listed.location),
        ):
            before = check.calls
            with pytest.raises(LockLost):
                change()
            assert before + 1 == check.calls
        assert {"GET"} == {method for method, _ in server.asked}
        box.close()


@pytest.mark.fault("A44-11")
def test_graph_asks_when_it_is_connected() -> None:
    """Making a connection takes a while, in which the lease may end: what sends a draft, without a body, is asked for
    only after that. A request that reads needs no consent."""
    connected = list[bool]()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def check() -> None:
            connected.append(bool(select.select([server], [], [], 0)[0]))
            raise LockLost("it has ended")

        config = config_of(server.getsockname()[1], MailProtocol.GRAPH, Check())
        client = GraphClient(dataclasses.replace(config, token=lambda: "t", before_change=check))
        with pytest.raises(LockLost):
            client.call("POST", "/messages/1/send")
        assert [True] == connected
        connection, _ = server.accept()
        with connection:
            assert b"" == connection.recv(1000)
        client.close()


def test_graph_sends_no_mail() -> None:
    """A mail whose last byte may not leave is not sent; the next one is, after a check before its last byte."""
    check = Check()
    with (
        graph_server() as server,
        GraphTransport(dataclasses.replace(graph_config(server), before_change=check)) as transport,
    ):
        for refuse_at in (1, 2, 3):
            check.calls, check.consents, check.refuse_at = 0, True, refuse_at
            with pytest.raises(LockLost):
                transport.send_message(["kim@client.example"], MAIL, again=False)
            assert refuse_at == check.calls
        assert [] == server.delivered
        check.calls, check.refuse_at = 0, 0
        transport.send_message(["kim@client.example"], MAIL, again=False)
        assert (1, 3) == (len(server.delivered), check.calls)

"""The kinds of mail server that the contract of mailboxes is shown on, each with the same few handles for a test."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.mailboxes.delivered import drop
from redmine_mailbridge.mailboxes.delivered.mailbox import DeliveredMailbox
from redmine_mailbridge.mailboxes.delivered.preparation import prepare
from redmine_mailbridge.mailboxes.graph.mailbox import GraphMailbox
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.mailboxes.pop3.mailbox import Pop3Mailbox
from redmine_mailbridge.model.mailbox import MailboxConfig, MailProtocol, Security
from tests.memory_mailbox import MemoryMailbox, MemoryServer
from tests.servers.dovecot import Mail
from tests.servers.graph import GraphServer
from tests.servers.mail import Mailbox as Account

LIMIT = 50 << 20


def letter(number: int, size: int = 0) -> bytes:
    """Given a number and a size, return a mail with that number in its Message-ID."""
    head = f"Message-ID: <letter-{number}@example.com>\r\nSubject: Letter {number}\r\n\r\n".encode()
    return head + b"0123456789abcdef" * (size // 16) + b"\r\nEnd\r\n"


class Server(Protocol):
    """What a test does behind the mailbox's back."""

    def append(self, *mails: bytes, folder: str = "INBOX") -> None: ...
    def contents(self, folder: str = "INBOX") -> list[tuple[int, frozenset[str], bytes]]: ...
    def remove(self, uid: int, folder: str = "INBOX") -> None: ...


class DovecotAccount(Account):
    """An account on the real Dovecot."""

    def remove(self, uid: int, folder: str = "INBOX") -> None:
        with self.imap() as imap:
            imap.select(folder)
            imap.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)")
            imap.uid("EXPUNGE", str(uid))  # type: ignore[arg-type, unused-ignore]

    @property
    def directory(self) -> Path:
        """Where Dovecot keeps the INBOX (Maildir)."""
        user, _, domain = self.address.partition("@")
        return Path(self.server["ca_file"]).parent / "mail" / domain / user / "Maildir"

    def change(self, *commands: tuple[str, ...], folder: str = "INBOX") -> None:
        """Given UID commands, carry them out in a folder."""
        with self.imap() as imap:
            imap.select(folder)
            for command in commands:
                imap.uid(*command)


@dataclass(frozen=True, slots=True)
class World:
    """A server's other side, and a mailbox that is connected to it; `another` makes one more connection.

    `number`, given a UID of the mailbox, returns the number that the server's other side knows it by.
    """

    server: Server
    another: Callable[[], Mailbox]
    number: Callable[[str], int] = int


def dovecot_account(mail: Mail, *, small: bool = False) -> DovecotAccount:
    """Given Dovecot, return a new account; with a quota if `small`."""
    domain = mail["quota_domain"] if small else mail["domain"]
    return DovecotAccount(mail, f"box-{uuid.uuid4().hex[:12]}@{domain}")


@pytest.fixture
def account(dovecot: Mail) -> DovecotAccount:
    """A new account on the real Dovecot."""
    return dovecot_account(dovecot)


def config(account: Account, **changes: Any) -> MailboxConfig:
    """Given an account on Dovecot, return the configuration of a mailbox over plain IMAP on loopback, changed."""
    values: dict[str, Any] = {
        "name": "support",
        "host": "127.0.0.1",
        "port": account.server["imap_port"],
        "username": account.address,
        "password": account.password,
        "security": Security.NONE,
        "timeout": 20.0,
    }
    return MailboxConfig(**(values | changes))


def memory_world() -> World:
    """A server in memory."""
    server = MemoryServer()
    return World(server, lambda: MemoryMailbox(server))


def imap_world(mail: Mail) -> World:
    """Dovecot over IMAP with TLS."""
    account = dovecot_account(mail)
    made = config(account, port=mail["imaps_port"], security=Security.TLS, ca_file=Path(mail["ca_file"]))
    return World(account, lambda: ImapMailbox(made))


def graph_world(server: GraphServer) -> World:
    """A mailbox behind Graph, as its documentation describes it."""
    made = graph_config(server)
    number = re.compile(r"_-(\d+)=$")

    def of(uid: str) -> int:
        found = number.search(uid)
        assert found is not None
        return int(found[1])

    return World(server, lambda: GraphMailbox(made, poll=0.1), number=of)


def graph_config(server: GraphServer, **changes: Any) -> MailboxConfig:
    """Given a Graph server, return the configuration of a mailbox on it, changed."""
    values: dict[str, Any] = {
        "name": "support", "host": "127.0.0.1", "port": server.port, "username": server.user, "timeout": 20.0,
        "protocol": MailProtocol.GRAPH, "security": Security.NONE, "token": lambda: server.token,
    }  # fmt: skip
    return MailboxConfig(**(values | changes))


class SpoolServer:
    """The spool of one mailbox, as `deliver` fills it."""

    def __init__(self, spool: Path) -> None:
        index: dict[str, dict[str, object]] = {
            "support": {"folder": "support@example.com", "addresses": ["support@example.com"], "max_size": LIMIT}
        }
        self.spool, self.new = spool, spool / "support@example.com" / "new"
        prepare(spool, index)

    def append(self, *mails: bytes, folder: str = "INBOX") -> None:
        assert folder == "INBOX"
        for mail in mails:
            drop.add(str(self.spool), "support@example.com", [mail], max_size=LIMIT)

    def contents(self, folder: str = "INBOX") -> list[tuple[int, frozenset[str], bytes]]:
        places = [self.new, self.new.with_name("cur")] if folder == "INBOX" else [self.new.with_name(folder)]
        paths = sorted(
            (path for place in places if place.exists() for path in place.iterdir()), key=lambda one: one.name
        )
        return [(int(path.name[:20]), frozenset(), path.read_bytes()) for path in paths]

    def remove(self, uid: int, folder: str = "INBOX") -> None:
        assert folder == "INBOX"
        (path,) = self.new.glob(f"{uid:020d}.*")
        path.unlink()


def spool_world(spool: Path) -> World:
    """A mailbox whose mail is handed to `deliver`."""
    made = spool_config(spool)
    return World(SpoolServer(spool), lambda: DeliveredMailbox(made), number=lambda uid: int(uid[:20]))


def spool_config(spool: Path, **changes: Any) -> MailboxConfig:
    """Given a spool, return the configuration of a mailbox there, changed."""
    values: dict[str, Any] = {
        "name": "support", "host": "localhost", "port": 993, "username": "support@example.com", "spool_dir": spool,
        "protocol": MailProtocol.DELIVER, "security": Security.NONE,
    }  # fmt: skip
    return MailboxConfig(**(values | changes))


def pop3_world(mail: Mail) -> World:
    """Dovecot over POP3 with TLS."""
    account = dovecot_account(mail)
    made = config(
        account, protocol=MailProtocol.POP3, port=mail["pop3s_port"],
        security=Security.TLS, ca_file=Path(mail["ca_file"]),
    )  # fmt: skip
    return World(account, lambda: Pop3Mailbox(made), number=lambda uid: int(uid[:8], 16))

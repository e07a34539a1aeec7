"""Copies of sent mail: each once, apart from sending, whatever the mailbox's server does."""

import threading
from types import TracebackType
from typing import Self

import pytest
import sqlalchemy as sa

from redmine_mailbridge.errors import FilingRefused, MailboxUnreachable
from redmine_mailbridge.outgoing.outbox_sender import OutboxSender, SendingAccount
from redmine_mailbridge.outgoing.sent_copier import BATCH, GIVE_UP, SentCopier
from redmine_mailbridge.settings.outgoing import OutgoingSettings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.sent_copies import SentCopies
from tests.clocks import Clock
from tests.wire import Wire

MAIL = b"From: support@example.com\r\nTo: x@client.example\r\nSubject: x\r\n\r\nx\r\n"


class Shelf:
    """A Sent folder that does what it is told."""

    def __init__(self) -> None:
        self.held: list[str] = []
        self.fault: Exception | None = None
        self.opened = 0
        self.refused = ""

    def __enter__(self) -> Self:
        self.opened += 1
        if self.fault is not None:
            raise self.fault
        return self

    def __exit__(self, _k: type[BaseException] | None, _e: BaseException | None, _t: TracebackType | None) -> None:
        pass

    def save(self, message_id: str, content: bytes, sent_at: float) -> bool:
        assert (MAIL, True) == (content, sent_at > 0)
        if self.refused and message_id.startswith(self.refused):
            raise FilingRefused("[OVERQUOTA] Quota exceeded")
        if message_id in self.held:
            return False
        self.held.append(message_id)
        return True


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def sender(store: Store, shelf: Shelf) -> OutboxSender:
    """What sends over a wire and copies to the shelf."""
    copier = SentCopier(SentCopies(store.database, store.clock), {"support": lambda: shelf}, threading.Event())
    account = SendingAccount(Wire, 0, 0, ("support",))
    outbox = Outbox(store.database, store.clock)
    return OutboxSender(outbox, {"support": account, "other": account}, threading.Event(), copier=copier)


def queued(store: Store, *people: str, mailbox: str = "support", key: str = "1") -> None:
    """A mail to these people waits to be sent."""
    row = (mailbox, "answer", "support@example.com")
    Outbox(store.database, store.clock).queue(
        [NewAnswer(*row, one, f"{key}@example.com", MAIL, lambda _count: None, issue=1) for one in people]
    )


def due(store: Store) -> int:
    """How many rows lack a copy."""
    with store.database.read() as db:
        return int(db.execute(sa.text("SELECT count(*) FROM outbox WHERE copy_due")).scalar() or 0)


def test_one_copy_of_a_mail_to_several(store: Store, sender: OutboxSender, shelf: Shelf) -> None:
    """A mail to several people has one copy, made after sending and apart from it; other mailboxes have none."""
    queued(store, "a@client.example", "b@client.example")
    queued(store, "c@client.example", mailbox="other", key="2")
    assert (3, []) == (sender.once().sent, shelf.held)
    sender.save_copies()
    sender.save_copies()
    assert (["1@example.com"], 1, 0) == (shelf.held, shelf.opened, due(store))


def test_a_copy_that_is_there_already(store: Store, sender: OutboxSender, shelf: Shelf) -> None:
    """A process that died behind the copy makes no second one."""
    queued(store, "a@client.example")
    sender.once()
    shelf.held.append("1@example.com")
    sender.save_copies()
    assert (["1@example.com"], 0) == (shelf.held, due(store))


def test_a_server_that_is_away(store: Store, sender: OutboxSender, shelf: Shelf, clock: Clock) -> None:
    """Sending does not notice; the copy follows after a pause."""
    shelf.fault = MailboxUnreachable("away")
    queued(store, "a@client.example")
    assert 1 == sender.once().sent
    for _ in range(3):
        sender.save_copies()
    assert (1, 1) == (shelf.opened, due(store))
    shelf.fault = None
    clock.now += 60
    sender.save_copies()
    assert (["1@example.com"], 0) == (shelf.held, due(store))


def test_a_copy_that_is_refused_delays_no_other(store: Store, sender: OutboxSender, shelf: Shelf, clock: Clock) -> None:
    """One message that the server does not take (over quota) is retried later; those behind it have their copies."""
    for key in ("1", "2"):
        queued(store, "a@client.example", key=key)
    sender.once()
    shelf.refused = "1@example.com"
    sender.save_copies()
    assert (["2@example.com"], 1) == (shelf.held, due(store))
    shelf.refused = ""
    clock.now += 60
    sender.save_copies()
    assert (["2@example.com", "1@example.com"], 0) == (shelf.held, due(store))


@pytest.mark.fault("A23-11")
def test_many_copies_that_are_refused_delay_no_other(store: Store, sender: OutboxSender, shelf: Shelf) -> None:
    """As many refused messages as are copied at once, and more: the one behind them has its copy at once."""
    for number in range(2 * BATCH + 1):
        queued(store, "a@client.example", key=f"big{number}")
    queued(store, "a@client.example", key="small")
    while sender.once().sent:
        pass
    shelf.refused = "big"
    sender.save_copies()
    assert (["small@example.com"], 2 * BATCH + 1, 1) == (shelf.held, due(store), shelf.opened)


def test_a_copy_is_given_up(store: Store, sender: OutboxSender, shelf: Shelf, clock: Clock) -> None:
    """After two days without the server no copy is tried any more."""
    shelf.fault = MailboxUnreachable("away")
    queued(store, "a@client.example")
    sender.once()
    clock.now += GIVE_UP + 1
    sender.save_copies()
    assert 0 == due(store)


@pytest.mark.parametrize(
    ("values", "copies"),
    [
        ({"host": "smtp.example.com", "save_sent": True}, True),
        ({"host": "smtp.example.com"}, False),
        ({"host": "smtp.gmail.com", "save_sent": True}, False),
        ({"host": "SMTP.office365.com", "save_sent": True}, False),
        ({"transport": "graph", "save_sent": True}, False),
        ({"transport": "console", "save_sent": True}, False),
    ],
)
def test_where_the_server_saves_it(values: dict[str, object], *, copies: bool) -> None:
    """Gmail, Microsoft and Graph keep what is sent themselves: no copy is made there."""
    assert copies == OutgoingSettings(**values).copies  # type: ignore[arg-type]

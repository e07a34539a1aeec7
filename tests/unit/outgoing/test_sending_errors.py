"""Why mail is not sent is known as long as it is not sent: also between two attempts, and after a restart."""

import threading
from pathlib import Path

import pytest

from redmine_mailbridge.outgoing.outbox_sender import OutboxSender, SendingAccount, SendResult
from redmine_mailbridge.store.health import SENDING, Health
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.observed.certificates import Certificates
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.tasks.receive.circuit_breaker import CircuitBreaker
from redmine_mailbridge.tasks.service.health_monitor import HealthMonitor
from tests.clocks import Clock
from tests.wire import Wire

MAIL = b"From: support@example.com\r\nTo: x@client.example\r\nSubject: x\r\n\r\nx\r\n"
AWAY = ConnectionError("the server is away")


class Sending:
    """Two mailboxes that send by a server each."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.wires = {"support": Wire(), "sales": Wire()}
        self.outbox = Outbox(store.database, clock)
        self.health = Health(store.database, clock, clock)
        self.start()

    def start(self) -> None:
        """The process starts, again."""
        lines = {name: SendingAccount(lambda name=name: self.wires[name], 0, 0, (name,)) for name in self.wires}  # type: ignore[misc]
        self.sender = OutboxSender(self.outbox, lines, threading.Event())
        certificates = Certificates(self.store.database, self.clock)
        self.monitor = HealthMonitor(self.health, CircuitBreaker(), self.sender, certificates)

    def queue(self, mailbox: str, key: str) -> None:
        """A mail waits."""
        message_id = f"{key}@example.com"
        self.outbox.queue(
            [NewAnswer(mailbox, "answer", "s@example.com", "x@client.example", message_id, MAIL, lambda _: None, 1)]
        )

    def passes(self, seconds: float = 30.0) -> list[SendResult]:
        """A pass every five seconds, each followed by a look at how things are. Return the results."""
        results = []
        for _ in range(int(seconds / 5)):
            results.append(self.sender.once())
            self.monitor.once([])
            self.clock.now += 5
        return results

    def failing_since(self) -> float | None:
        """Since when sending fails, as the store has it."""
        return self.health.all()[SENDING].failing_since


@pytest.fixture
def sending(tmp_path: Path) -> Sending:
    clock = Clock()
    return Sending(Store.open(f"sqlite:///{tmp_path}/store.db", tmp_path / "raw", clock=clock), clock)


def test_the_error_lasts_between_attempts(sending: Sending) -> None:
    """Retries wait ever longer, and most passes offer nothing: sending fails since the first attempt even so, while
    another mailbox sends by a server that is well. It works again with the mail that is sent.
    """
    sending.wires["support"].fault = AWAY
    sending.queue("support", "a")
    began = sending.clock.now
    for number in range(20):
        sending.queue("sales", f"b{number}")
        assert {str(AWAY)} == {result.error for result in sending.passes()}
    assert (began, 20) == (sending.failing_since(), len(sending.wires["sales"].taken))
    sending.wires["support"].fault = None
    assert sending.passes(3600)[-1].error is None
    assert (None, 1) == (sending.failing_since(), len(sending.wires["support"].taken))


def test_a_restart_is_no_recovery(sending: Sending) -> None:
    """A process that starts while sending fails knows nothing until it has offered mail."""
    sending.wires["support"].fault = AWAY
    sending.queue("support", "a")
    began = sending.clock.now
    sending.passes(600)
    sending.start()
    first = sending.passes(5)[0]
    assert (None, False) == (first.error, first.is_known)
    assert began == sending.failing_since()
    sending.wires["support"].fault = None
    sending.passes(3600)
    assert sending.failing_since() is None


def test_mail_that_no_longer_waits(sending: Sending) -> None:
    """When a person discards what waits, nothing fails any more."""
    sending.wires["support"].fault = AWAY
    sending.queue("support", "a")
    sending.passes()
    assert sending.failing_since() is not None
    (mail,) = sending.outbox.listed()
    sending.outbox.discard([mail.id], by="kim")
    sending.passes()
    assert sending.failing_since() is None

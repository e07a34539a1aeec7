"""What an admin discards while others are being sent does not leave."""

from collections.abc import Callable

import pytest

from redmine_mailbridge.errors import SendingRefused
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import BOUNCED, DISCARDED, FAILED, QUEUED, SENT
from tests.unit.outgoing.test_fair_sending import queued, sending
from tests.wire import Wire


class SlowWire(Wire):
    """Somebody decides while a mail is on its way."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    def send(self, sender: str, recipient: str, content: bytes) -> str:
        self.meanwhile()
        return super().send(sender, recipient, content)


@pytest.fixture
def outbox(store: Store) -> Outbox:
    """The outbox with two mails that wait."""
    queued(store, "kim@client.example", "lee@client.example")
    return Outbox(store.database, store.clock)


def states(outbox: Outbox) -> dict[str, str]:
    """The state of each mail by whom it goes to."""
    rows = outbox.newest(states=(QUEUED, SENT, FAILED, BOUNCED, DISCARDED))
    return {row.recipient: row.state for row in rows}


def discard(outbox: Outbox, recipient: str) -> None:
    """An admin discards the mail to somebody."""
    outbox.discard([row.id for row in outbox.listed() if row.recipient == recipient], by="anna")


@pytest.mark.fault("A19-2")
def test_what_is_discarded_in_a_batch_does_not_leave(store: Store, outbox: Outbox) -> None:
    """A mail that a batch has claimed and not yet offered stays here when it is discarded."""
    wire = SlowWire(lambda: discard(outbox, "lee@client.example"))
    sending(store, wire).once()
    assert ["kim@client.example"] == [to for to, _ in wire.taken]
    assert {"kim@client.example": "sent", "lee@client.example": "discarded"} == states(outbox)


@pytest.mark.fault("A19-2")
def test_what_is_discarded_and_refused_stays_discarded(store: Store, outbox: Outbox) -> None:
    """A mail that the server refuses while it is discarded is not reported as failed; one that it takes was sent."""
    wire = SlowWire(lambda: [discard(outbox, to) for to in ("kim@client.example", "lee@client.example")])
    wire.fault, wire.fault_for = SendingRefused("550 no"), "kim"
    sending(store, wire).once()
    assert {"kim@client.example": "discarded", "lee@client.example": "discarded"} == states(outbox)

"""What the decider adds to the policy: whose settings hold for a mail that an admin has let pass."""

import pytest

from redmine_mailbridge.model.mail import ReadingOptions
from redmine_mailbridge.model.sender_list import SenderListing
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.sender_list import SenderList
from redmine_mailbridge.tasks.receive.planner import MailboxContext, Planner
from tests.product import mail

HOLD = Route.model_validate({"issue": {"project": "desk"}, "rules": [{"name": "all", "action": "hold"}]})
ADDRESSES = {"support@example.com": "support", "sales@example.com": "sales"}


@pytest.mark.parametrize("to", ["support@example.com", "sales@example.com"])
def test_accepted_whichever_mailbox_is_responsible(to: str) -> None:
    """A mail that an admin accepts goes on, also when it was read from one mailbox and another's settings hold it."""
    identity = MailboxIdentity("support", "support@example.com", ADDRESSES, {"sales": HOLD, "support": HOLD})
    decider = Planner({"support": MailboxContext(identity, HOLD, ReadingOptions())}, None, None)
    message = decider.read(mail("Hello", to=to), "support")

    held, _ = decider.plan(message, "support")
    accepted, _ = decider.plan(message, "support", accepted=True)
    assert ("hold", "create") == (held.action, accepted.action)


@pytest.mark.fault("A21-4")
@pytest.mark.parametrize(
    ("to", "text"),
    [
        ("spam@evil.example", "Hello"),
        ("support@example.com", "From: Spam <spam@evil.example>\nDate: 4 May 2026 9:00\nSubject: P\nTo: a@b.example"),
    ],
)
def test_who_is_blocked_besides_the_sender(store: Store, to: str, text: str) -> None:
    """The people for whom a mail may be are looked up in the list of blocked senders."""
    senders = SenderList(store.database, store.clock)
    senders.add("spam@evil.example", SenderListing.BLOCK, "root")
    identity = MailboxIdentity("support", "support@example.com", ADDRESSES, {"support": HOLD})
    context = MailboxContext(identity, HOLD, ReadingOptions(forwards=True))
    planner = Planner({"support": context}, None, None, senders)
    message = planner.read(mail("Fwd: P", text, to=to), "support")
    _, facts = planner.plan(message, "support")
    assert ["spam@evil.example"] == [one.pattern for one in facts.listed_senders]

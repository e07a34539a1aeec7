"""What the decider adds to the policy: whose settings hold for a mail that an admin has let pass."""

import pytest

from redmine_mailbridge.model.mail import ReadingOptions
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.tasks.receive.planner import Context, Decider
from tests.product import mail

HOLD = Route.model_validate({"issue": {"project": "desk"}, "rules": [{"name": "all", "action": "hold"}]})
ADDRESSES = {"support@example.com": "support", "sales@example.com": "sales"}


@pytest.mark.parametrize("to", ["support@example.com", "sales@example.com"])
def test_accepted_whichever_mailbox_is_responsible(to: str) -> None:
    """A mail that an admin accepts goes on, also when it was read from one mailbox and another's settings hold it."""
    identity = MailboxIdentity("support", "support@example.com", ADDRESSES, {"sales": HOLD, "support": HOLD})
    decider = Decider({"support": Context(identity, HOLD, ReadingOptions())}, None, None)
    message = decider.read(mail("Hello", to=to), "support")

    held, _ = decider.plan(message, "support")
    accepted, _ = decider.plan(message, "support", accepted=True)
    assert ("hold", "create") == (held.action, accepted.action)

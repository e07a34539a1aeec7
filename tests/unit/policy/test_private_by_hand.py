"""What is private stays private wherever a person files it."""

import pytest

from redmine_mailbridge.model.sender_list import ListedSender, SenderListing
from redmine_mailbridge.policy.manual import ManualDecision, by_hand
from redmine_mailbridge.policy.sender_list import listed
from tests.unit.policy.world import facts, identity, message, route_of

WAYS = {
    "filed": ManualDecision("eve", issue=10),
    "moved": ManualDecision("eve", issue=20, moved=True),
    "as a new issue": ManualDecision("eve", new=True),
    "as a new issue elsewhere": ManualDecision("eve", project="sales", new=True),
}


@pytest.mark.fault("A28-1")
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_an_answer_to_a_private_note(way: ManualDecision) -> None:
    """A reply to a private note becomes a private note or a private issue when a person files it, as it does by itself;
    one to a public note does not.
    """
    row = {"from": "anna", "auth": "passed", "ref": "journal:8", "sees": "yes", "notes": "yes", "files": "yes"}
    plan = by_hand(message(row), route_of("", row), identity(row), facts(row), way)
    assert plan.private_note or plan.fields.is_private
    row |= {"ref": "journal:7"}
    plan = by_hand(message(row), route_of("", row), identity(row), facts(row), way)
    assert (False, False) == (plan.private_note, bool(plan.fields.is_private))


@pytest.mark.fault("A28-6")
@pytest.mark.parametrize("dot", ".\u3002\uff0e\uff61")
def test_a_last_dot_of_any_kind_evades_no_block(dot: str) -> None:
    """Signs that IDNA reads as a dot (UTS 46) are one at the end of a blocked domain, too."""
    blocked = ListedSender("kim@example.com", SenderListing.BLOCK, "r", 0.0)
    assert blocked == listed(f"kim@example.com{dot}", (blocked,))

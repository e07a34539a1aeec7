"""The sender picks his To line and his References: neither picks whose trust holds, or opens what is not public."""

import pytest

from tests.unit.policy.world import plan_of, short


@pytest.mark.fault("V3")
@pytest.mark.parametrize(
    ("expected", "row"),
    [
        ("create sales -", {"from": "anna", "to": "sales"}),
        ("create sales -", {"from": "admin", "to": "cora sales", "cc": "support"}),
        ("create sales -", {"from": "anna", "to": "cora", "delivered": "sales@corp.example"}),
        ("create sales -", {"from": "stranger", "to": "sales", "ref": "signed:50"}),
        ("create sales -", {"from": "stranger", "to": "sales", "ref": "marker:20"}),
        ("create sales -", {"from": "stranger", "to": "sales", "text": "Project: support\nPriority: Urgent"}),
        ("refuse", {"from": "stranger", "to": "sales", "set": 'senders.block = ["else.example"]'}),
        ("refuse", {"from": "anna", "to": "sales", "unknown": "ignore"}),
    ],
)
def test_the_to_line_does_not_pick_whose_trust_holds(expected: str, row: dict[str, str]) -> None:
    """A mail that was delivered to a strict mailbox and names a lenient one is placed by that one, and judged by the
    strict one: nobody acts, nobody is let in, no signed id opens what the strict one keeps closed."""
    plan = plan_of(row)
    assert (expected, None) == (short(plan), plan.fields.priority_id), plan.steps


@pytest.mark.fault("V6")
@pytest.mark.parametrize("sign", ["timed:20", "timed:50", "redmine:999 timed:20"])
def test_redmines_ids_can_be_guessed(sign: str) -> None:
    """Redmine's Message-IDs hold a number and a second: somebody who is not proven may have guessed both, so that they
    open nothing that is not public to him; and of many in one mail the first counts."""
    plan = plan_of({"from": "kim", "ref": sign})
    assert plan.issue not in {20, 50}, plan.steps


@pytest.mark.fault("V6")
def test_one_of_redmines_ids_counts() -> None:
    """A proven customer's mail belongs to the issue of the first of Redmine's ids in it, and to none of the others."""
    assert "note 20 -" == short(plan_of({"from": "kim", "auth": "passed", "ref": "timed:20 timed:10"}))
    assert "create support -" == short(plan_of({"from": "kim", "auth": "passed", "ref": "redmine:999 timed:20"}))

"""What the steps of the policy share: which custom fields a keyword line may name."""

from dataclasses import replace

from redmine_mailbridge.policy.decide import decide
from tests.unit.policy.world import facts, identity, message, route_of, short

REPLY = {
    "from": "anna",
    "auth": "passed",
    "ref": "tag:10",
    "text": "Order: 4711\nDone",
    "sees": "yes",
    "notes": "yes",
    "edits": "yes",
}


def test_a_reply_to_an_issue_of_a_project_that_is_not_known_is_written_without_its_custom_fields() -> None:
    """Where every keyword may be used, a project that could not be read costs the keyword lines of its fields only."""
    route = route_of("allow_override = 'all'", {})
    known, unknown = facts(REPLY), replace(facts(REPLY), projects={})
    with_fields = decide(message(REPLY), route, identity(REPLY), known)
    without = decide(message(REPLY), route, identity(REPLY), unknown)
    assert ("note 10 anna", {71: "4711"}) == (short(with_fields), dict(with_fields.fields.custom_fields))
    assert ("note 10 anna", {}) == (short(without), dict(without.fields.custom_fields))
    assert "Order: 4711\nDone" == without.text

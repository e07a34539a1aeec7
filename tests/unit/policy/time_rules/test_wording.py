"""Rules of time in words."""

import pytest

from redmine_mailbridge.policy.time_rules.wording import filled, rule_text
from redmine_mailbridge.settings.time_rules import TimeRule


@pytest.mark.parametrize(
    ("when", "then", "words"),
    [
        (
            {"statuses": ["New", "Open"], "projects": ["support"], "mailboxes": ["desk"], "created": "3d"},
            {"assignee": "anna"},
            (
                "when status is New or Open and project is support and mailbox is desk and created 3 days ago: "
                "assignee anna"
            ),
        ),
        (
            {"trackers": ["Bug"], "priorities": ["High"], "closed": True, "in_status": "2h"},
            {"status": "New", "priority": "Urgent", "note": "See {rule}"},
            (
                "when tracker is Bug and priority is High and it is closed and in this status for 2 hours: "
                "status New, priority Urgent, public note"
            ),
        ),
        (
            {"assigned": True, "waiting_for": "customer", "customer_silent": "36h"},
            {"note": "Quiet", "private_note": True, "mail": "reminder"},
            (
                "when it has an assignee and it waits for the customer and no word from the customer for 36 hours: "
                "private note, mail reminder to requester"
            ),
        ),
        (
            {"assigned": False, "waiting_for": "agent", "agent_silent": "4 business hours"},
            {"mail": "escalation", "mail_to": ["boss@corp.example", "assignee"]},
            (
                "when it has no assignee and it waits for an agent and no word from an agent for 4 business hours: "
                "mail escalation to boss@corp.example, assignee"
            ),
        ),
    ],
)
def test_a_rule_is_one_line_that_names_each_condition_and_each_action(
    when: dict[str, object], then: dict[str, object], words: str
) -> None:
    assert words == rule_text(TimeRule.model_validate({"name": "r", "when": when, "then": then}))


def test_a_note_of_a_rule_shows_what_strangers_wrote_as_code_and_leaves_unknown_places() -> None:
    values = {"rule": "quiet", "requester.name": "*Kim*", "issue.subject": "h1. Fire", "project": "support"}
    template = "{rule} in {project}: {requester.name}, {issue.subject}, {nobody}"
    assert "quiet in support: <code>*Kim*</code>, <code>h1. Fire</code>, {nobody}" == filled(
        template, values, "textile"
    )

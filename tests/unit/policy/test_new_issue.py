"""What makes a new issue."""

from dataclasses import replace

import pytest

from redmine_mailbridge.model.mail import Body
from redmine_mailbridge.policy.decide import decide
from tests.unit.policy.world import facts, identity, message, plan_of, route_of, short


def test_a_keyword_line_that_is_only_quoted_places_no_issue() -> None:
    """`Project:` counts in what the sender wrote, not in what he quotes or forwards of somebody else."""
    row = {"from": "anna", "auth": "passed", "set": "allow_override = 'project'"}
    quoted = Body("Please look", "Project: sales", "Please look\nProject: sales", "text")
    written = Body("Project: sales\nPlease look", "", "Project: sales\nPlease look", "text")
    for body, place in ((quoted, "create support anna"), (written, "create sales anna")):
        mail = replace(message(row), body=body)
        assert place == short(decide(mail, route_of(row["set"], row), identity(row), facts(row)))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"from": "kim", "unknown": "create", "key": "plain"}, True),
        ({"from": "kim", "unknown": "accept", "key": "plain"}, False),
        ({"from": "anna", "unknown": "create", "key": "plain"}, False),
    ],
)
def test_that_no_user_is_made_is_said_where_one_was_to_be_made(row: dict[str, str], said: bool) -> None:
    """Not where the settings want none, and not of somebody who bears the address of a user that there is."""
    steps = [step for step in plan_of(row).steps if step.startswith("no user is created")]
    assert (["no user is created: the API key may not, or the sender is forged"] if said else []) == steps


def test_without_redmine_nobody_is_said_to_write() -> None:
    """Neither the user who writes for strangers nor one to be made can be looked up."""
    row = {"from": "kim", "offline": "yes", "unknown": "create", "set": 'senders.ticket_user = "desk"'}
    plan = plan_of(row)
    assert ("create support -", None) == (short(plan), plan.new_user)
    assert [] == [step for step in plan.steps if "ticket_user" in step or "no user is created" in step]


def test_what_is_quoted_stands_in_the_issue_but_its_keyword_lines_change_nothing() -> None:
    row = {"from": "anna", "auth": "passed", "set": "allow_override = 'all'"}
    mail = replace(message(row), body=Body("Please look", "Priority: High", "Please look\nPriority: High", "text"))
    plan = decide(mail, route_of(row["set"], row), identity(row), facts(row))
    assert (None, {}) == (plan.fields.priority_id, dict(plan.keywords))
    assert "Please look\nPriority: High" == plan.text


@pytest.mark.parametrize(
    ("to", "place", "text"),
    [
        ("support", "create sales anna", "Hello"),
        ("support+sales@corp.example", "create sales anna", "Project: sales\nHello"),
        ("support+sales@corp.example", "create sales anna", "Project: support\nHello"),
    ],
)
def test_a_project_line_that_placed_nothing_stays_in_the_text(to: str, place: str, text: str) -> None:
    """It is taken out where it counts; behind the address that names the project it is text."""
    line = text if text.startswith("Project") else f"Project: sales\n{text}"
    row = {"from": "anna", "auth": "passed", "to": to, "text": line, "may": "support sales"}
    row["set"] = "allow_override = 'project'; project_from_subaddress = true"
    plan = plan_of(row)
    assert (place, text) == (short(plan), plan.text.strip())

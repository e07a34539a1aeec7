"""The fields that an issue gets."""

from dataclasses import replace

from redmine_mailbridge.policy.decide import decide
from tests.unit.policy.world import facts, identity, message, plan_of, route_of


def test_a_value_that_a_custom_field_does_not_take_is_shown_to_its_hundredth_character() -> None:
    row = {"from": "anna", "auth": "passed", "set": "allow_override = 'all'", "text": "Float field: " + "x" * 150}
    said = f'custom field "float field" does not accept the value "{"x" * 100}" and is left out'
    assert said in plan_of(row).steps


def test_hours_that_are_no_time_are_shown_to_their_hundredth_character() -> None:
    row = {"from": "anna", "auth": "passed", "set": "allow_override = 'all'", "text": "Estimated time: " + "x" * 150}
    assert f'estimated hours "{"x" * 100}" is not a time and is ignored' in plan_of(row).steps


def test_of_those_with_nothing_open_the_first_gets_the_issue() -> None:
    """Who is known to have no open issue stands like who is not known to have any."""
    row = {"from": "kim", "set": "assignee = 'round-robin: helpers'"}
    for open_issues, chosen in (({5: 0}, 5), ({}, 5), ({5: 1}, 11), ({5: 1, 11: 2, 12: 0}, 12)):
        world = replace(facts(row), open_issues=open_issues)
        assert chosen == decide(message(row), route_of(row["set"], row), identity(row), world).fields.assigned_to_id

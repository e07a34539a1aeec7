"""Which issue a mail reaches."""

from dataclasses import replace

import pytest

from redmine_mailbridge.policy.decide import decide
from redmine_mailbridge.policy.references import subject_tags
from tests.unit.policy.world import facts, identity, message, plan_of, route_of, short


def test_who_takes_part_does_not_reach_an_issue_of_a_mailbox_that_blocks_him() -> None:
    """The mailbox whose mail made the issue has a say, though the one that the reply came to takes everybody's mail."""
    row = {"from": "kim", "ref": "tag:10", "made": "strict"}
    strict = route_of('senders.block = ["client.example"]', {"project": "secret"})
    box = identity(row)
    assert "note 10 -" == short(decide(message(row), route_of("", row), box, facts(row)))
    blocking = replace(box, routes={**box.routes, "strict": strict})
    plan = decide(message(row), route_of("", row), blocking, facts(row))
    assert ("create support -", 10) == (short(plan), plan.related_issue)
    assert [step for step in plan.steps if step.startswith("#10 by ") and "in its mailbox" in step]


def test_a_reference_that_comes_twice_does_not_keep_a_mail_from_the_next_one() -> None:
    row = {"from": "kim", "ref": "timed:4000 signed:4000 signed:4000 tag:10", "subject": "[#4000] [#4000]"}
    for ref in (row["ref"], "tag:4000 tag:4000 tag:10", "marker:4000 marker:4000 tag:10"):
        assert "note 10 -" == short(plan_of({**row, "ref": ref})), ref


@pytest.mark.parametrize(
    ("subject", "tags"),
    [
        ("[x] #12]", ()),
        ("[a [x] #12]", ()),
        ("[x] [ #12]", ((12, ""),)),
        ("[x] [Support desk - Bug #12] [#3]", ((12, "Support desk - Bug"), (3, ""))),
        ("[x#12]", ()),
    ],
)
def test_a_tag_begins_with_a_bracket_that_nothing_has_closed(subject: str, tags: tuple[tuple[int, str], ...]) -> None:
    assert tags == subject_tags(subject)

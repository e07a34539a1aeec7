"""Rules of time in the settings: what is refused, each with where it stands and what would be right."""

from pathlib import Path

import pytest

from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.time_rules import Age, parse_age
from tests.unit.settings.given import GOOD as WITH_FILE
from tests.unit.settings.given import problems, write

GOOD = WITH_FILE.replace('api_key_file = "secrets/key"', 'api_key = "k"')

WHOLE = """
[[rules]]
name = "remind"
when.customer_silent = "3d"
when.waiting_for = "customer"
then.mail = "reminder"

[[rules]]
name = "close"
[rules.when]
agent_silent = "14d"
waiting_for = "customer"
mailboxes = ["my-box"]
[rules.then]
status = "Closed"
note = "{reason}, {requester.name}"
mail = "closed"
"""


def test_rules_load(tmp_path: Path) -> None:
    """Rules are written in a line each or as tables, and are off only when there is none."""
    remind, close = load(write(tmp_path / "settings.toml", GOOD + WHOLE), {}).rules

    assert ("remind", "reminder", ("requester",)) == (remind.name, remind.then.mail, remind.then.mail_to)
    assert {"agent_silent": Age(14 * 86400, business=False)} == close.when.ages
    assert () == load(write(tmp_path / "settings.toml", GOOD), {}).rules


AGES = [("3d", 259200, False), ("1d 12h", 129600, False), ("4 business hours", 14400, True),
        ("1 business hour", 3600, True), ("30  business minutes", 1800, True)]  # fmt: skip


@pytest.mark.parametrize(("text", "seconds", "business"), AGES)
def test_ages(text: str, seconds: int, business: bool) -> None:
    """A span is by the clock, or in business hours or minutes."""
    assert Age(seconds, business) == parse_age(text)


WRONG = [
    ('when.customer_silent = "3 days"\nthen.status = "X"', "customer_silent", 'must be a time span such as "3d"'),
    ('when.customer_silent = "0s"\nthen.status = "X"', "rules.when] customer_silent", "must be longer than 0s"),
    ('when.silent = "2 business days"\nthen.status = "X"', "rules.when] silent", "4 business hours"),
    ('when.silent = "2 business hours"\nthen.status = "X"', "rules.when] silent", "require a calendar: add"),
    ('when.customer_silnt = "3d"\nthen.status = "X"', "rules.when] customer_silnt", 'did you mean "customer_silent"?'),
    ('when.statuses = ["New"]\nthen.status = "X"', "rules.when]", "is missing a time span"),
    ('when.silent = "3d"', "rules.then]", "is missing"),
    ('when.silent = "3d"\nthen.private_note = true', "then", "has no action"),
    ('when.silent = "3d"\nthen.status = "X"\nthen.private_note = true', "private_note", "requires note"),
    ('when.silent = "3d"\nthen.mail = "escalation"', "mail_to", "an escalation requires it"),
    ('when.silent = "3d"\nthen.status = "X"\nthen.mail_to = ["requester"]', "mail_to", "requires mail"),
    ('when.silent = "3d"\nthen.mail = "reminder"\nthen.mail_to = ["requestor"]', "mail_to", 'mean "requester"?'),
    ('when.silent = "3d"\nthen.mail = "remind"', "rules.then] mail", 'did you mean "reminder"?'),
    ('when.silent = "3d"\nthen.note = "{requestor.name}"', "note", 'did you mean "requester.name"?'),
    ('when.silent = "3d"\nthen.assignee = "round-robin: Team"', "assignee", "one person or group"),
    ('when.silent = "3d"\nwhen.mailboxes = ["mybox"]\nthen.status = "X"', "mailboxes", 'did you mean "my-box"?'),
    ('when.silent = "3d"\nwhen.waiting_for = "client"\nthen.status = "X"', "waiting_for", '"customer" or "agent"'),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "where", "words"), WRONG)
def test_a_rule_that_cannot_be_meant_is_refused(tmp_path: Path, lines: str, where: str, words: str) -> None:
    """What is wrong with a rule is one line that says where and what would be right."""
    found = problems(tmp_path, f'{GOOD}\n[[rules]]\nname = "r"\n{lines}\n')

    assert 1 == len(found), found
    assert where in found[0]
    assert words in found[0]


def test_two_rules_of_one_name(tmp_path: Path) -> None:
    """What a rule has done is remembered by its name, so that no two may share one."""
    rule = '\n[[rules]]\nname = "r"\nwhen.silent = "3d"\nthen.status = "X"\n'

    assert ['settings.toml:19: [rules] name = "r": "r" is used by two rules'] == problems(tmp_path, GOOD + rule + rule)


def test_a_mailboxs_rules_are_others(tmp_path: Path) -> None:
    """A mailbox's rules look at a mail, these at an issue: a key of one in the other is said to belong there."""
    rule = '\n[[mailboxes.my-box.rules]]\nname = "r"\nwaiting_for = "agent"\n'
    found = problems(tmp_path, GOOD + rule)

    assert 1 == len(found)
    assert "belongs in [rules.when]" in found[0]

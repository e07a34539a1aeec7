"""Automation rules in words: their description, and the note that they write."""

import re
from collections.abc import Iterator, Mapping

from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.policy.time_rules.due import SAID, span_text
from redmine_mailbridge.settings.time_rules import RuleThen, RuleWhen, TimeRule

_PLACE = re.compile(r"\{([a-z_.]{1,40})\}")
_STRANGERS = frozenset({"requester.name", "requester.address", "issue.subject"})


def filled(template: str, values: Mapping[str, str], text_format: TextFormat) -> str:
    """Given a note's text and the values of its placeholders, return the note.

    A stranger's text is inserted as code, so that none of it is active in Redmine.
    """

    def place(match: re.Match[str]) -> str:
        name = match[1]
        value = values.get(name)
        if value is None:
            return match[0]
        return literal(value, text_format) if name in _STRANGERS else value

    return _PLACE.sub(place, template)


def rule_text(rule: TimeRule) -> str:
    """Given a rule, return it as one English line."""
    return f"when {' and '.join(_conditions(rule.when))}: {', '.join(actions(rule.then))}"


def _conditions(when: RuleWhen) -> Iterator[str]:
    for word in ("statuses", "projects", "mailboxes", "trackers", "priorities"):
        names = getattr(when, word)
        if names:
            yield f"{_ONE[word]} is {' or '.join(names)}"
    if when.closed:
        yield "it is closed"
    if when.assigned is not None:
        yield "it has an assignee" if when.assigned else "it has no assignee"
    if when.waiting_for is not None:
        yield f"it waits for {'the customer' if when.waiting_for == 'customer' else 'an agent'}"
    yield from (SAID[name].format(span_text(age)) for name, age in when.ages.items())


def actions(then: RuleThen) -> Iterator[str]:
    """Given what a rule does, yield each of it in a few words."""
    for name in ("status", "assignee", "priority"):
        if (value := getattr(then, name)) is not None:
            yield f"{name} {value}"
    if then.note is not None:
        yield "private note" if then.private_note else "public note"
    if then.mail is not None:
        yield f"mail {then.mail} to {', '.join(then.mail_to)}"


_ONE = {
    "statuses": "status",
    "projects": "project",
    "mailboxes": "mailbox",
    "trackers": "tracker",
    "priorities": "priority",
}

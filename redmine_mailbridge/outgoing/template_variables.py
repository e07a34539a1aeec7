"""The variables of each kind's templates, with example values: for `check`, `templates preview` and as the admin's
reference. Pure.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Self

from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.reasons import RuleReason


class NamedText(str):  # noqa: SLOT000 - it holds more than a text
    """A text with attributes: {{ project }} is the identifier, {{ project.name }} the display name."""

    identifier: str
    name: str
    url: str

    def __new__(cls, identifier: str, name: str = "", url: str = "") -> Self:
        """Given an identifier, a name and an address, return the text."""
        made = super().__new__(cls, identifier)
        made.identifier, made.name, made.url = identifier, name or identifier, url
        return made


class CustomFieldValues(dict[str, str]):
    """Custom fields by name; a field that the issue does not have is empty, since issues differ in their fields."""

    def __missing__(self, name: str) -> str:
        return ""


_FIRST, _THEN = Moment(dt.datetime(2026, 5, 20, 10)), Moment(dt.datetime(2026, 5, 21, 9, 30))  # noqa: DTZ001 - a day anywhere
ISSUE: Mapping[str, Any] = {
    "id": 4711,
    "subject": "The printer is on fire",
    "url": "https://redmine.example.com/issues/4711",
    "status": "In Progress",
    "closed": False,
    "priority": "Normal",
    "tracker": "Support",
    "assignee": "Anna Agent",
    "private": False,
    "created": _FIRST,
    "updated": _THEN,
    "closed_on": Moment(None),
}
OF_AN_ISSUE = ("id", "subject", "url")
"""What of an issue the templates may name where the rest of it does not concern the recipient."""
_PROJECT = NamedText("support", "Support desk", "https://redmine.example.com/projects/support")
_KIM: Mapping[str, Any] = {"name": "Kim Client", "address": "kim@client.example", "greeting": "Kim Client"}
_ALWAYS: Mapping[str, Any] = {
    "mailbox": {"name": "support", "address": "support@example.com", "signature": "Example Support"},
    "language": "en",
    "redmine_url": "https://redmine.example.com",
    "now": _THEN,
}
_MAIL: Mapping[str, Any] = {
    "requester": _KIM,
    "mail": {"subject": "The printer is on fire", "date": _FIRST, "text": "It burns.\nWhat shall we do?"},
    "project": _PROJECT,
    "reason": "This address only accepts replies to our own messages.",
    "login": "kim@client.example",
}
_ABOUT_ISSUE: Mapping[str, Any] = {
    "issue": ISSUE,
    "requester": _KIM,
    "agent": {"name": "Anna Agent"},
    "project": _PROJECT,
    "fields": CustomFieldValues({"Customer number": "C-17"}),
    "thread": {"subject": "The printer is on fire", "reply_subject": "Re: The printer is on fire"},
    "history": [{"author": "Kim Client", "date": _FIRST, "text": "It burns.\nWhat shall we do?"}],
}
_NOTE: Mapping[str, Any] = {
    "note": {
        "text": "Please leave the room.\nHelp is on its way.",
        "html": "<p>Please leave the room.<br>Help is on its way.</p>",
        "author": "Anna Agent",
        "signed": False,
        "date": _THEN,
        "left_out": ["plan.zip (30 MB)"],
    }
}
_QUESTION: Mapping[str, Any] = {
    "question": {
        "journal": 17,
        "text": "Which printer is it?",
        "html": "<p>Which printer is it?</p>",
        "author": "Anna Agent",
        "date": _THEN,
    }
}
_FRAME: Mapping[str, Any] = {
    "subject": "The printer is on fire",
    "text": "It burns.\nWhat shall we do?",
    "html": "<p>It burns.<br>What shall we do?</p>",
    "reply_line": "",
    "signature": {"text": "Example Ltd, 1 Main Street", "html": "Example Ltd, 1 Main Street"},
    "reference": "mbz4711z29e220a2zmsqhcvrpieth12k23fl1bhv7gn",
    "issue": {"id": 4711},
}
_RULE: Mapping[str, Any] = {"rule": "remind after 3 days", "reason": RuleReason("no word from the customer for 3 days")}
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "received": {**_ALWAYS, **_MAIL, "issue": {name: ISSUE[name] for name in OF_AN_ISSUE}},
    "received_reply": {**_ALWAYS, **_MAIL, "issue": {name: ISSUE[name] for name in OF_AN_ISSUE}},
    "refused": {**_ALWAYS, **_MAIL},
    "withheld": {
        **_ALWAYS, **_MAIL, "reason": "Nothing proves that you wrote it: the mail server did not authenticate you.",
        "issue": {name: ISSUE[name] for name in OF_AN_ISSUE},
    },
    "registration": {**_ALWAYS, **_MAIL},
    "answer": {**_ALWAYS, **_ABOUT_ISSUE, **_NOTE},
    "closed": {**_ALWAYS, **_ABOUT_ISSUE, **_NOTE},
    "third_party": {
        **_ALWAYS, **_NOTE, "issue": {name: ISSUE[name] for name in OF_AN_ISSUE}, "agent": {"name": "Anna Agent"},
        "project": _PROJECT,
    },
    "reminder": {**_ALWAYS, **_ABOUT_ISSUE, **_RULE, **_QUESTION},
    "escalation": {**_ALWAYS, **_ABOUT_ISSUE, **_RULE},
    "budget": {
        **_ALWAYS,
        "budget": {
            "name": "Client Ltd", "hours": "20.0", "spent": "16.5", "left": "3.5", "percent": 82, "threshold": 80,
            "since": "2026-05-01", "until": "2026-05-31", "scope": "project support",
        },
    },
    "alert": {**_ALWAYS, "alert": {"title": "Mail cannot be read", "text": "support: login refused", "since": _THEN}},
    "frame": {**_ALWAYS, **_FRAME},
    "signature": {**_ALWAYS, "issue": {"id": 4711}, "agent": {"name": "Anna Agent"}},
}  # fmt: skip
"""By kind. Sending provides exactly these; `check` reports any other variable in a template as an error."""
KINDS = tuple(EXAMPLES)

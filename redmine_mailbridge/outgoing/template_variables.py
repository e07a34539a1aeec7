"""What the templates of each kind may speak of, with made-up values: for `check` and `templates preview`, and as the
list that an admin reads. Pure.
"""

from collections.abc import Mapping
from typing import Any, Self


class Named(str):  # noqa: SLOT000 - it holds more than a text
    """A text that knows more of itself: {{ project }} is the identifier, {{ project.name }} what people read."""

    identifier: str
    name: str
    url: str

    def __new__(cls, identifier: str, name: str = "", url: str = "") -> Self:
        """Given an identifier, a name and an address, return the text."""
        made = super().__new__(cls, identifier)
        made.identifier, made.name, made.url = identifier, name or identifier, url
        return made


class Fields(dict[str, str]):
    """Custom fields by name; one that an issue has not is empty, since not every issue has the same."""

    def __missing__(self, name: str) -> str:
        return ""


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
    "created": "2026-05-20 10:00",
    "updated": "2026-05-21 09:30",
    "closed_on": "",
}
_PROJECT = Named("support", "Support desk", "https://redmine.example.com/projects/support")
_ALWAYS: Mapping[str, Any] = {
    "mailbox": {"name": "support", "address": "support@example.com"},
    "redmine_url": "https://redmine.example.com",
    "now": "2026-05-21 09:30",
}
_MAIL: Mapping[str, Any] = {
    "requester": {"name": "Kim Client", "address": "kim@client.example"},
    "mail": {"subject": "The printer is on fire", "date": "2026-05-20 10:00"},
    "project": _PROJECT,
    "reason": "this address takes only answers to mails of ours",
    "login": "kim@client.example",
}
_ABOUT_ISSUE: Mapping[str, Any] = {
    "issue": ISSUE,
    "requester": {"name": "Kim Client", "address": "kim@client.example"},
    "agent": {"name": "Anna Agent"},
    "project": _PROJECT,
    "fields": Fields({"Customer number": "C-17"}),
    "thread": {"subject": "The printer is on fire", "reply_subject": "Re: The printer is on fire"},
    "history": [{"author": "Kim Client", "date": "2026-05-20 10:00", "text": "It burns.\nWhat shall we do?"}],
}
_NOTE: Mapping[str, Any] = {
    "note": {
        "text": "Please leave the room.\nHelp is on its way.",
        "html": "<p>Please leave the room.<br>Help is on its way.</p>",
        "author": "Anna Agent",
        "date": "2026-05-21 09:30",
        "left_out": ["plan.zip (30 MB)"],
    }
}
_RULE: Mapping[str, Any] = {"rule": "remind after 3 days", "reason": "no answer for 3 days"}
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "received": {**_ALWAYS, **_MAIL, "issue": {name: ISSUE[name] for name in ("id", "subject", "url")}},
    "received_reply": {**_ALWAYS, **_MAIL, "issue": {name: ISSUE[name] for name in ("id", "subject", "url")}},
    "refused": {**_ALWAYS, **_MAIL},
    "registration": {**_ALWAYS, **_MAIL},
    "answer": {**_ALWAYS, **_ABOUT_ISSUE, **_NOTE},
    "closed": {**_ALWAYS, **_ABOUT_ISSUE, **_NOTE},
    "reminder": {**_ALWAYS, **_ABOUT_ISSUE, **_RULE},
    "escalation": {**_ALWAYS, **_ABOUT_ISSUE, **_RULE},
    "budget": {
        **_ALWAYS,
        "budget": {
            "name": "Client Ltd", "hours": "20.0", "spent": "16.5", "left": "3.5", "percent": 82, "threshold": 80,
            "since": "2026-05-01", "until": "2026-05-31", "scope": "project support",
        },
    },
    "alert": {**_ALWAYS, "alert": {"title": "Mail cannot be read", "text": "support: login refused", "since": "09:30"}},
}  # fmt: skip
"""By kind. Sending gives exactly these; what a template speaks of beside them, `check` calls an error."""
KINDS = tuple(EXAMPLES)

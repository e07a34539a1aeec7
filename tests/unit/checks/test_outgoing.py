"""What `check` says of outgoing mail, without a server."""

import pytest

from redmine_mailbridge.checks.outgoing import outgoing_checks
from redmine_mailbridge.settings.models import Settings


@pytest.mark.fault("A32-3")
@pytest.mark.parametrize(("agent_replies", "expected"), [("mail", "answer, withheld"), ("private", "answer")])
def test_the_notice_of_a_withheld_reply_is_listed(agent_replies: str, expected: str) -> None:
    """Agents' replies that are sent to requesters need the template of those that are not."""
    box = {
        "address": "desk@example.com",
        "host": "localhost",
        "answers": {"notes": "public_notes", "received": False, "redmine_users": "mail"},
        "issue": {"project": "desk", "trust": "authenticated", "agent_replies": agent_replies},
    }
    redmine = {"url": "https://redmine.example.com", "api_key": "k", "text_format": "common_mark"}
    settings = Settings.model_validate(
        {"redmine": redmine, "outgoing": {"transport": "console"}, "mailboxes": {"desk": box}}
    )
    (templates, _) = outgoing_checks("desk", settings, settings.mailboxes["desk"])
    assert (True, expected) == (templates.ok, templates.words)

"""What `check` says of roles and groups that may use commands in notes."""

from typing import Any

import pytest
import responses

from redmine_mailbridge.checks.command_users import NO_COMMANDS, command_users
from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.mailbox import MailboxSettings

URL = "https://redmine.example.com"


@pytest.mark.parametrize(
    ("answers", "admin", "words"),
    [
        ({}, True, []),
        ({"command_roles": ["support"], "command_groups": ["HELP desk"]}, True, []),
        ({"command_roles": ["Suport"]}, True, ['role "Suport" does not exist, did you mean "Support"?']),
        ({"command_groups": ["Help"]}, True, ['group "Help" does not exist, did you mean "Help desk"?']),
        (
            {"command_groups": ["Help desk"]},
            False,
            ["needs an administrator's key: only that can list groups; use answers.command_roles, or such a key"],
        ),
    ],
)
def test_names(answers: dict[str, Any], admin: bool, words: list[str]) -> None:
    """Each name that is not there is a line, with what was probably meant; groups need an administrator's key."""
    lines = checked({"notes": "public_notes", **answers}, admin=admin)
    assert words == [line.words for line in lines]
    assert all(line.ok is False and line.name.startswith("mailbox desk: answers.command_") for line in lines)


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        ({"command_roles": ["Support"]}, "command_roles"),
        ({"command_groups": ["Help desk"]}, "command_groups"),
        ({"command_roles": ["Support"], "command_groups": ["Help desk"]}, "command_roles"),
        ({"command_roles": ["Support"], "third_parties": True}, ""),
        ({}, ""),
    ],
)
def test_commands_without_effect(answers: dict[str, Any], name: str) -> None:
    """Where no notes are mailed, commands have no effect, and only the admin can be informed: whoever may use them gets
    a line, unless it is for notes to third parties.
    """
    expected = [(f"mailbox desk: answers.{name}", None, NO_COMMANDS)] if name else []
    assert expected == [(line.name, line.ok, line.words) for line in checked({"notes": "never", **answers})]


@responses.activate
def checked(answers: dict[str, Any], *, admin: bool = True) -> list[Check]:
    """What is said of these settings, where Redmine has the role Support and the group Help desk."""
    user = {"id": 1, "login": "bridge", "firstname": "A", "lastname": "B", "admin": admin, "mail": "a@example.com"}
    responses.get(f"{URL}/users/current.json", json={"user": user})
    responses.get(f"{URL}/roles.json", json={"roles": [{"id": 3, "name": "Support"}]})
    responses.get(f"{URL}/groups.json", json={"groups": [{"id": 9, "name": "Help desk"}]})
    values = {"address": "desk@example.com", "host": "localhost", "issue": {"project": "desk"}, "answers": answers}
    box = MailboxSettings.model_validate(values)
    client = Client(Connection(URL, "key"))
    return list(command_users("desk", box, client, MetadataCache(client)))

"""`check --try-issues` asks Redmine by requests that can never make anything: its database says whether."""

import sqlite3
from pathlib import Path

import pytest

from redmine_mailbridge.checks.redmine import redmine_checks
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.wiring.redmine import redmine_client
from tests.servers.fixtures import Redmine
from tests.servers.services import State

pytestmark = [pytest.mark.real, pytest.mark.customised]

PROJECTS = ("plain", "needs-string", "needs-list", "required-due-date", "limited", "without-due-date", "forbidden")
OF_READING = {"user_preferences", "sqlite_sequence"}
"""Where Redmine itself notes which projects somebody has looked at last, whoever reads a project."""
MOST_REQUESTS = 30


def rows(servers: State) -> dict[str, list[str]]:
    """All of Redmine's database, by table."""
    file = Path(servers["dir"]) / "redmine" / "redmine.sqlite3"
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: database.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}  # noqa: S608 - its own tables
        return {name: sorted(map(repr, entries)) for name, entries in found.items()}
    finally:
        database.close()


@pytest.mark.parametrize("login", ["admin", "key-sets", "key-adds"])
def test_nothing_is_other_after_check(redmine: Redmine, servers: State, login: str) -> None:
    """Over projects that take and that refuse mail, with an administrator's and with plain keys, every row of Redmine's
    database is as it was after `check --try-issues`; no request that could write succeeds; and a mailbox costs 30
    requests at most.
    """
    issue = {"closed_reply": "reopen", "reply_status": {"New": "In Progress"}, "unknown_sender": "accept"}
    boxes = {
        f"desk{at}": {"address": f"desk{at}@example.com", "host": "localhost", "issue": issue | {"project": project}}
        for at, project in enumerate(f"custom-{name}" for name in PROJECTS)
    }
    key = redmine.seed["users"][login]["api_key"]
    redmine_values = {"url": redmine.url, "api_key": key, "text_format": "common_mark"}
    settings = Settings.model_validate({"redmine": redmine_values, "mailboxes": boxes})
    client = redmine_client(settings.redmine)
    written: list[str] = []
    client.on_answer(lambda method, path, *_: written.append(path) if method != "get" else None)
    before = rows(servers)
    try:
        found = list(redmine_checks(settings, client, MetadataCache(client), try_issues=True))
    finally:
        client.close()
    after = rows(servers)
    assert len(found) >= len(PROJECTS)
    assert [] == written
    assert set() == {name for name, entries in after.items() if entries != before[name]} - OF_READING
    assert client.requests <= MOST_REQUESTS * len(PROJECTS)

"""The crash tests have a Redmine whose clock can be set. On other versions than the newest, only those of them run that
depend on how Redmine behaves.
"""

import os
from pathlib import Path

import pytest

from tests.servers.fixtures import Redmine
from tests.servers.selection import version_of

NEWEST = "6.1"
EVERYWHERE = (
    "create_issue",
    "add_note",
    "upload-before",
    "upload-after",
    "create_user",
    "issue-made",
    "upload-made",
    "note-made",
    "look-cut",
    "reply_waits",
    "further_notes",
)
"""Words in the names of the tests that run on every version asked for (`MAILBRIDGE_TEST_REDMINE`)."""


@pytest.fixture
def store_table(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The table [store] of a world: nothing for SQLite, or a database on PostgreSQL (`MAILBRIDGE_TEST_STORE`)."""
    if os.environ.get("MAILBRIDGE_TEST_STORE") != "postgresql":
        return ""
    url = request.getfixturevalue("postgresql_url")
    return f'[store]\nurl = "{url}"\nraw_dir = "{tmp_path / "mails"}"'


@pytest.fixture
def redmine(clocked_redmine: Redmine) -> Redmine:
    """The running Redmine, with a clock that `World.harden` sets."""
    return clocked_redmine


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what needs to run on the newest version only."""
    left_out = [item for item in items if _elsewhere(item) and not any(word in item.name for word in EVERYWHERE)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _elsewhere(item: pytest.Item) -> bool:
    """Is it a crash test on another version than the newest?"""
    return item.get_closest_marker("crash") is not None and version_of(item) not in (None, NEWEST)

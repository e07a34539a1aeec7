"""A mail server that a module shares, and a help desk that sends by it, with the `values` of the module that asks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpdesk import HelpDesk, Post, help_desk, post


@pytest.fixture(scope="module")
def server() -> Iterator[Post]:
    with post() as made:
        yield made


@pytest.fixture
def values() -> dict[str, Any]:
    """The settings as they are; a module that wants others has its own."""
    return {}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Post, values: dict[str, Any]) -> Iterator[HelpDesk]:
    """A help desk that has read its mailbox once, and a server that has taken nothing and refuses nothing."""
    server.taken.clear()
    server.answers.clear()
    with help_desk(tmp_path / "desk", monkeypatch, server, values) as made:
        made.turn()
        yield made

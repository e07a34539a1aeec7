"""The product between a mailbox in memory and a small Redmine, with the settings of `open_fake_redmine`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tasks.fake_redmine import FakeRedmine, open_fake_redmine


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRedmine]:
    """A fake Redmine; a module that needs another one has its own."""
    with open_fake_redmine(tmp_path, monkeypatch) as made:
        yield made

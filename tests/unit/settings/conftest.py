"""A folder with settings that load."""

from pathlib import Path

import pytest

from tests.unit.settings.given import GOOD, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with settings that load, and the secret that they refer to."""
    (tmp_path / "secrets").mkdir()
    write(tmp_path / "secrets" / "key", "the key\n")
    write(tmp_path / "settings.toml", GOOD)
    return tmp_path

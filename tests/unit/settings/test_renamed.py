"""Settings by the names that they had in the prototype."""

from pathlib import Path

import pytest

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.load import load
from tests.unit.settings.test_before import problems


@pytest.mark.fault("A19-9")
@pytest.mark.parametrize(("table", "old", "new"), [
    ("redmine", "directory_life", "cache_ttl"), ("receive", "give_up_after", "max_attempts"),
    ("store", "keep_raw", "raw_retention"), ("mailboxes.x.answers", "write_above", "reply_marker_line"),
    ("aggregate", "most_writes", "max_writes"), ("admin", "session_life", "session_lifetime"),
    ("mailboxes.x", "brake_at", "max_new_mails"),
])  # fmt: skip
def test_a_key_that_was_renamed(tmp_path: Path, table: str, old: str, new: str) -> None:
    """It is refused with the name that it has now."""
    file = tmp_path / "settings.toml"
    file.write_text(f'[{table}]\n{old} = "x"\n')
    (line,) = [line for line in problems(file) if line.startswith(f"{file}:2:")]
    assert line.endswith(f"unknown key, it is called {new} now")


@pytest.mark.fault("A19-9")
def test_a_key_of_a_rule_that_was_renamed(tmp_path: Path) -> None:
    """So is one in a list of tables."""
    file = tmp_path / "settings.toml"
    file.write_text('[[rules]]\nname = "x"\nat_most = 3\n')
    (line,) = [line for line in problems(file) if "at_most" in line]
    assert "it is called max_issues now" in line


@pytest.mark.fault("A19-9")
def test_a_variable_that_was_renamed() -> None:
    """So is a variable of the environment."""
    with pytest.raises(SettingsError) as error:
        load(None, {"MAILBRIDGE_REDMINE__URL": "https://redmine.example.com", "MAILBRIDGE_STORE__KEEP_RAW": "3d"})
    assert "it is called MAILBRIDGE_STORE__RAW_RETENTION now" in str(error.value)

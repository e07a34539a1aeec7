"""Whatever stands in a settings file, loading ends in settings or in one SettingsError."""

from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings import schema
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings

SECRET = "hunter2-geheim"
NAMES = sorted({step for key in schema.keys(Settings) for step in key.path if step not in (schema.NAME, "#")})
SECRETS = {key.name for key in schema.keys(Settings) if key.secret}
words = st.sampled_from([*NAMES, "a", "x.y", "_env_file", "", "mailbox"])
scalars = st.one_of(
    st.booleans(),
    st.integers(-5, 70_000),
    st.floats(allow_nan=False),
    st.dates(),
    st.sampled_from(
        ["", "imap", "5m", "x@example.com", "https://r.example.com", "/(/", "\u2028\x1b", "sqlite:///x.db"]
    ),
)
values = st.recursive(
    scalars,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(words, below, max_size=5)),
    max_leaves=30,
)


def redact(value: Any) -> Any:
    """Put the secret wherever a secret's key stands."""
    if isinstance(value, dict):
        return {k: SECRET if k in SECRETS and not isinstance(v, dict) else redact(v) for k, v in value.items()}
    return [redact(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / "settings.toml"


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(words, values, max_size=4),
    st.dictionaries(st.sampled_from(["redmine", "store", "log", "receive", "tasks"]), values),
    values,
    values,
)
def test_any_tables(file: Path, anything: dict[str, Any], tables: dict[str, Any], box: Any, issue: Any) -> None:
    """Tables in place of values, values in place of tables, unknown keys: only SettingsError, and no secret in it."""
    boxes = {"a": {"issue": issue} | box if isinstance(box, dict) else box}
    data = redact(anything | tables | {"mailboxes": boxes})
    file.write_text(tomlkit.dumps(data), "utf-8")
    try:
        load(file, {})
    except SettingsError as error:
        problems = error.problems
    else:
        return

    assert problems
    assert all(line and line.isprintable() for line in problems)
    assert SECRET not in "".join(problems)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text(file: Path, text: str) -> None:
    """A text that is no TOML, or TOML of nothing, ends in SettingsError."""
    file.write_text(text, "utf-8", newline="")
    with pytest.raises(SettingsError):
        load(file, {})

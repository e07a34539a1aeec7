"""The sample and the reference page agree with the models."""

import re
import tomllib
from pathlib import Path

import pytest

from redmine_mailbridge.settings import reference, schema
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("file", ["settings.example.toml", "docs/settings.md"])
def test_committed_equals_generated(file: str) -> None:
    """What is committed is what `scripts/docs` writes."""
    written = reference.sample() if file.endswith(".toml") else reference.page()

    assert written == (ROOT / file).read_text("utf-8"), "run scripts/docs"


def test_sample_loads(tmp_path: Path) -> None:
    """The sample loads as it is, with its secrets given by the environment."""
    file = tmp_path / "settings.toml"
    file.write_text(reference.sample(), "utf-8")
    settings = load(file, {"MAILBRIDGE_REDMINE__API_KEY": "k", "MAILBRIDGE_MAILBOXES__SUPPORT__PASSWORD": "p"})

    assert ["support"] == list(settings.mailboxes)
    assert "Support" == settings.mailboxes["support"].issue.tracker


def test_sample_holds_every_key_and_each_value_is_valid() -> None:
    """With every # taken away the sample holds each key of the models, with a value that the models accept."""
    text = re.sub(r"^# (?=\[[a-z\[]|[a-z_]+ = )", "", reference.sample(), flags=re.MULTILINE)
    data = tomllib.loads(text)
    # the two schedules exclude each other, and so do a secret and its file: the models check the latter when loading
    for task in data["tasks"].values():
        task.pop("every")
    del data["mailbox_defaults"]  # what is merged into mailboxes before
    data["mailboxes"]["support"].pop("allow_cleartext")
    keep_days = data["mailboxes"]["support"].pop("keep_days")  # with "keep" alone
    oauth = data["mailboxes"]["support"].pop("oauth")  # in place of a password
    endpoints = ("issuer", "authorization_endpoint", "token_endpoint", "device_endpoint")  # in place of a preset
    elsewhere = {name: data["oauth"]["microsoft"].pop(name) for name in endpoints}
    Settings(**data)
    data["oauth"]["microsoft"] |= elsewhere
    data["mailboxes"]["support"] |= {"keep_days": keep_days, "oauth": oauth}
    for task in data["tasks"].values():
        task["every"] = ""
    data["mailboxes"]["support"]["allow_cleartext"] = ""

    for key in schema.keys(Settings):
        table: object = data
        for step in key.table:
            assert isinstance(table, dict | list)
            if isinstance(table, list):
                table = table[0]
            elif step == schema.NAME:
                table = next(iter(table.values()))
            else:
                table = table[step]
        assert isinstance(table, dict | list)
        assert key.name in (table[0] if isinstance(table, list) else table), key.path


def test_every_key_is_described() -> None:
    """Each key says what it does, in a sentence."""
    for key in schema.keys(Settings):
        assert (key.field.description or "").endswith("."), key.path


def test_defaults_in_the_sample_are_the_defaults() -> None:
    """A value behind a # that is not called an example is the default."""
    text = reference.sample()

    assert '# The least important line that is written.\n# level = "info"\n' in text
    assert "; an example:\n# marker_field = " in text

"""The sample and the reference page agree with the models."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from redmine_mailbridge.settings import reference, schema
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.settings.sample_features import FEATURES

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("file", ["settings.example.toml", "docs/admin/settings.md"])
def test_committed_equals_generated(file: str) -> None:
    """What is committed is what `scripts/docs` writes."""
    written = reference.sample() if file.endswith(".toml") else reference.page()

    assert written == (ROOT / file).read_text("utf-8"), "run scripts/docs"


SECRETS = {"MAILBRIDGE_REDMINE__API_KEY": "k", "MAILBRIDGE_MAILBOXES__SUPPORT__PASSWORD": "p"}


def test_sample_loads(tmp_path: Path) -> None:
    """The sample loads as it is, with its secrets given by the environment."""
    file = tmp_path / "settings.toml"
    file.write_text(reference.sample(), "utf-8")
    settings = load(file, SECRETS)

    assert ["support"] == list(settings.mailboxes)
    assert "Support" == settings.mailboxes["support"].issue.tracker


def merged(table: dict[str, Any], added: dict[str, Any]) -> dict[str, Any]:
    """Given a table, return it with the keys of another; tables in both are merged."""
    both = {
        name: merged(table[name], added[name]) for name in table.keys() & added.keys() if isinstance(added[name], dict)
    }
    return table | added | both


@pytest.mark.parametrize(("title", "block"), FEATURES, ids=[title.split(":")[0] for title, _ in FEATURES])
def test_each_block_of_the_sample_loads(title: str, block: str, tmp_path: Path) -> None:
    """Uncommented beside the first set-up, a feature's block loads."""
    lines = reference.sample().partition("\n## ")[0]
    shown = reference.sample().partition("\n## " + title[:40])[2].partition("\n## ")[0]
    for line in block.strip().splitlines():
        assert f"\n# {line}".rstrip() in shown
    file = tmp_path / "settings.toml"
    file.write_text(tomlkit.dumps(merged(tomllib.loads(lines), tomllib.loads(block))), "utf-8")
    secrets = ("redmine-api-key", "support", "sales", "office", "orders", "gateway", "database", "metrics-token")
    (tmp_path / "secrets").mkdir(mode=0o700)
    for name in secrets:
        (tmp_path / "secrets" / name).touch(mode=0o600)
        (tmp_path / "secrets" / name).write_text("a secret", "utf-8")
    (tmp_path / "templates").mkdir()
    load(file, {})


def test_the_sample_is_short() -> None:
    """The first set-up takes about as many lines as `init` writes, and no block needs more than twenty."""
    first, *blocks = reference.sample().split("\n## ")
    assert len(first.splitlines()) < 70
    assert max(len(block.splitlines()) for block in blocks) <= 20


def test_every_key_has_an_example_that_is_valid() -> None:
    """The reference page's examples, put into one file, are accepted by the models."""
    names = {"mailboxes": "support", "calendars": "office", "oauth": "microsoft", "domains": "customer.example.com"}
    data: dict[str, Any] = {}
    for path, value in reference.examples():
        table: Any = data
        for before, step, following in zip(("", *path), path, path[1:], strict=False):
            if following == "#":
                table = table.setdefault(step, [{}])[0]
            elif step != "#":
                table = table.setdefault(names[before] if step == schema.NAME else step, {})
        table[path[-1]] = tomllib.loads(f"value = {value}")["value"]
    # a secret and its file exclude each other (which `load` checks), as do the following
    for task in data["tasks"].values():
        task.pop("every")
    for name in ("allow_cleartext", "keep_days", "oauth"):
        data["mailboxes"]["support"].pop(name)
    endpoints = ("issuer", "authorization_endpoint", "token_endpoint", "device_endpoint")
    for name in (*endpoints, "client_certificate_file", "client_key_file"):
        data["oauth"]["microsoft"].pop(name)
    Settings(**data)


def test_the_page_names_every_key() -> None:
    """The reference page has a row for each key, below the heading of its table."""
    sections = dict(re.findall(r"^## `\[+([^\]]+)\]+`\n(.*?)(?=^## |\Z)", reference.page(), re.MULTILINE | re.DOTALL))
    for key in schema.keys(Settings):
        table = ".".join(step for step in key.table if step != "#")
        assert f"| `{key.name}` |" in sections[table], key.path


def test_every_key_is_described() -> None:
    """Each key says what it does, in a sentence."""
    for key in schema.keys(Settings):
        assert (key.field.description or "").endswith("."), key.path

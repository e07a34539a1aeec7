"""`version`: what a bug report says."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from redmine_mailbridge import __version__
from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.store.database import HEAD
from redmine_mailbridge.store.messages import Store

SETTINGS = """
[redmine]
url = "https://redmine.customer.example"
api_key = "hush-key"
[store]
url = "sqlite:///own-name.db"
[mailboxes.desk]
address = "desk@customer.example"
host = "mail.customer.example"
password = "hush-words"
issue.project = "desk-project"
[mailboxes.old]
address = "old@customer.example"
host = "pop.customer.example"
protocol = "pop3"
password = "hush-words"
issue.project = "desk-project"
"""
PRIVATE = ("customer", "hush", "desk", "own-name")


def printed(*arguments: str) -> dict[str, str]:
    """The lines of `version --all`."""
    ran = CliRunner().invoke(cli, [*arguments, "version", "--all"])
    assert 0 == ran.exit_code, ran.output
    return dict(re.split(r" {2,}", line, maxsplit=1) for line in ran.output.splitlines())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Settings."""
    (tmp_path / "settings.toml").write_text(SETTINGS, "utf-8")
    (tmp_path / "settings.toml").chmod(0o600)
    return tmp_path / "settings.toml"


def test_the_version_alone() -> None:
    """One line; no settings are needed."""
    ran = CliRunner().invoke(cli, ["--settings", "/nowhere.toml", "version"])
    assert (0, f"redmine-mailbridge {__version__}\n") == (ran.exit_code, ran.output)


def test_what_a_bug_report_says(file: Path) -> None:
    """Versions and kinds. Nothing of the team, and no store is made or changed."""
    lines = printed("--settings", str(file))
    assert __version__ == lines["redmine-mailbridge"]
    assert lines["sqlalchemy"].startswith("2.")
    assert lines["Python"].startswith("3.")
    assert "1 imap, 1 pop3" == lines["mailboxes"]
    assert "SQLite, not there yet" == lines["store"]
    assert [file] == [*file.parent.iterdir()]
    Store.open(f"sqlite:///{file.parent}/own-name.db", file.parent / "raw").close()
    assert printed("--settings", str(file))["store"].endswith(f"tables {HEAD} (this program: {HEAD})")
    assert not [word for word in PRIVATE for line in lines.values() if word in line]


@pytest.mark.parametrize("content", [b"of another program" * 99, b""])
def test_a_store_that_is_none(file: Path, content: bytes) -> None:
    """A file that is no database, or an empty one, is said to be so, and stays as it is."""
    (file.parent / "own-name.db").write_bytes(content)
    said = printed("--settings", str(file))["store"]
    assert said == ("SQLite, cannot be read: StoreError" if content else "SQLite, not there yet")
    assert content == (file.parent / "own-name.db").read_bytes()


def test_settings_that_cannot_be_used(file: Path) -> None:
    """The libraries are printed anyway, and no content of the settings."""
    file.write_text(SETTINGS.replace("issue.project", "issue.projetc"), "utf-8")
    lines = printed("--settings", str(file))
    assert "cannot be used: 2 errors, which `redmine-mailbridge check` lists" == lines["settings"]
    assert "sqlalchemy" in lines

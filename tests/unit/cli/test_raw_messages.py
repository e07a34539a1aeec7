"""`raw-messages`: says where raw messages are, and moves them to where the settings say."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from redmine_mailbridge.checks.raw_messages import raw_message_checks
from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.store.admin_sessions import Audit
from redmine_mailbridge.store.messages import Store
from tests.unit.store.kept import keep


def run(settings: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["raw-messages", *arguments, "--settings", str(settings)], env={"SUDO_USER": "olga"})


def opened(settings: Path, *, in_database: bool = False, folder: str | None = "mails") -> Store:
    url, raw_dir = f"sqlite:///{settings.parent}/store.db", settings.parent / folder if folder else None
    return Store.open(url, raw_dir, raw_in_database=in_database)


def test_there_and_back(settings: Path) -> None:
    """After a change of the setting, the command says how many are elsewhere and moves them, which is recorded."""
    store = opened(settings)
    for uid in range(3):
        keep(store, uid)
    folder = settings.parent / "mails"
    assert f"raw messages are stored in the folder {folder}\n" == run(settings).output
    before = settings.read_text()
    settings.write_text(before.replace("[store]", '[store]\nraw_storage = "database"'))
    lines = run(settings).output.splitlines()
    assert "raw messages are stored in the database" == lines[0]
    assert lines[1].startswith("not there: 3; move them with")
    moved = run(settings, "move")
    assert (0, "3 messages (0.0 MB) moved to the database; 0 were already there\n") == (moved.exit_code, moved.output)
    assert (1, []) == (len(run(settings).output.splitlines()), list(folder.rglob("*.eml")))
    settings.write_text(before)
    moved = run(settings, "move")
    assert f"3 messages (0.0 MB) moved to the folder {folder}; 0 were already there\n" == moved.output
    assert 3 == len(list(folder.rglob("*.eml")))
    changes = [(line.who, line.action) for line in Audit(store.database, store.clock).lines()]
    assert [("olga", "move raw messages")] * 2 == changes
    store.close()


def test_one_that_cannot_be_moved(settings: Path) -> None:
    """A message whose bytes are damaged is named, and the exit status tells."""
    store = opened(settings)
    keep(store, 1)
    (file,) = (settings.parent / "mails").rglob("*.eml")
    file.write_bytes(b"damaged")
    store.close()
    settings.write_text(settings.read_text().replace("[store]", '[store]\nraw_storage = "database"'))
    moved = run(settings, "move")
    assert 1 == moved.exit_code
    assert f"{file}: the message's bytes are damaged in the store" in moved.output
    assert "1 messages could not be moved" in moved.output


def test_no_folder(settings: Path) -> None:
    """With PostgreSQL and no folder there is nothing to move from; the line names the setting."""
    url = "postgresql+psycopg://u@127.0.0.1:1/x"
    settings.write_text(settings.read_text().replace(f"sqlite:///{settings.parent}/store.db", url))
    moved = run(settings, "move")
    assert 1 == moved.exit_code
    assert "[store] raw_dir: set it to the folder from which the messages are to be moved" in moved.output


def test_the_check(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` says nothing if all are in place; it warns if they are elsewhere, and fails if they cannot be read."""
    monkeypatch.setenv("TMPDIR", str(settings.parent))
    store = opened(settings)
    keep(store, 1)
    assert [] == list(raw_message_checks(store))
    for folder, readable, words in (("mails", None, "move them"), (None, False, "set [store] raw_dir to the folder")):
        other = opened(settings, in_database=True, folder=folder)
        (check,) = raw_message_checks(other)
        assert ("store: raw messages", readable) == (check.name, check.ok)
        assert "1 are not in the database" in check.words
        assert words in check.words
        other.close()
    store.close()

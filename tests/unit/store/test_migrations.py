"""The tables, and stores that this version did not make."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from redmine_mailbridge.cli.main import cli
from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.store.database import Database, upgrade
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.tables import metadata
from tests.old_stores import BEFORE, differences, make_old

SETTINGS = """
[redmine]
text_format = "common_mark"
url = "https://redmine.example.com"
api_key = "k"
[store]
url = "sqlite:///{file}"
[mailboxes.support]
address = "support@example.com"
host = "mail.example.com"
password = "p"
issue.project = "support"
"""


def test_the_tables_are_those_of_the_migration(store: Store) -> None:
    """Migrating an empty database gives exactly the tables that the code speaks of, and once is enough."""
    assert [] == differences(store.database)
    store.database.migrate()
    assert [] == differences(store.database)


def test_new_tables_are_those_of_the_migrations(tmp_path: Path) -> None:
    """The tables of a new store, which no migration makes, are those that all migrations make, to the letter of their
    SQL, and have the newest version.
    """
    made, migrated = (Database(f"sqlite:///{tmp_path}/{name}.db") for name in ("made", "migrated"))
    made.migrate()
    with migrated.write() as db:
        upgrade(db, None)
    assert [] == differences(migrated)
    assert _as_sql(migrated) == _as_sql(made)
    made.close()
    migrated.close()


def test_a_new_store_loads_no_alembic(tmp_path: Path) -> None:
    """Making a new store does not import alembic, which takes 12 MB of memory."""
    program = (
        "import sys; from redmine_mailbridge.store.database import Database\n"
        f"Database('sqlite:///{tmp_path}/new.db').migrate()\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('alembic', 'mako')])"
    )
    assert (
        "[]"
        == subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    )


def _as_sql(database: Database) -> list[str]:
    """The tables of a SQLite database and their version, as SQL in which only spaces may differ."""
    with database.engine.connect() as db:
        schema = db.execute(
            sa.text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name")
        ).scalars()
        lines = [re.sub(r"\s+", " ", sql).strip() for sql in schema]
        return [*lines, *db.execute(sa.text("SELECT version_num FROM alembic_version")).scalars()]


@pytest.mark.parametrize("version", BEFORE)
def test_a_store_of_before_the_first_release(tmp_path: Path, version: str | None) -> None:
    """A store that no released version has made is refused in one line, which says what it is, where, and what to do;
    it stays as it was.
    """
    database = Database(f"sqlite:///{tmp_path}/old.db")
    make_old(database, version)
    with pytest.raises(StoreError) as caught:
        database.migrate()
    words = str(caught.value)
    assert 1 == len(words.splitlines())
    told = ["before the first release", version or "no version", f"{tmp_path}/old.db aside", "fetched again"]
    assert [] == [each for each in told if each not in words]
    assert {"mail", "alembic_version"} >= set(sa.inspect(database.engine).get_table_names())
    database.close()


@pytest.mark.fault("A18-6")
@pytest.mark.parametrize(
    "change",
    ["mail RENAME COLUMN uid_validity TO validity", "outbox DROP COLUMN reported", "folder RENAME TO old_folder"],
)
def test_tables_that_were_changed_under_one_version(store: Store, change: str) -> None:
    """Until the first release the tables changed under one version: a store of then is refused in one line too, which
    names what it lacks.
    """
    with store.database.engine.begin() as db:
        db.execute(sa.text(f"ALTER TABLE {change}"))
    with pytest.raises(
        StoreError, match=r"before the first release \(version 0001_first, but without the column "
    ) as caught:
        store.database.migrate()
    assert 1 == len(str(caught.value).splitlines())


@pytest.mark.parametrize("words", ["messages", "queue", "report", "aggregate", "tasks list", "stop"])
def test_commands_on_a_store_of_before(tmp_path: Path, words: str) -> None:
    """Every command says that in a line, and ends."""
    database = Database(f"sqlite:///{tmp_path}/old.db")
    make_old(database, "0005")
    database.close()
    settings = tmp_path / "settings.toml"
    settings.write_text(SETTINGS.format(file=tmp_path / "old.db"))
    settings.chmod(0o600)
    result = CliRunner().invoke(cli, ["--settings", str(settings), *words.split()])
    told = [line for line in result.output.splitlines() if "before the first release" in line]
    assert (1, True) == (len(told), result.exit_code > 0), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_tables_of_a_newer_program(store: Store) -> None:
    """A store whose tables a newer program has made is refused, with what to do."""
    with store.database.engine.begin() as db:
        db.execute(sa.text("UPDATE alembic_version SET version_num = '0002_from_tomorrow'"))
    with pytest.raises(StoreError, match="newer than this program's 0001_first: update redmine-mailbridge"):
        store.database.migrate()


def test_what_is_unique(store: Store) -> None:
    """The migration makes each column unique that the code relies on to be, and no other."""
    there = sa.inspect(store.database.engine)
    found = {
        name: sorted(tuple(one["column_names"]) for one in there.get_unique_constraints(name))
        for name in metadata.tables
    }
    expected = {
        name: sorted(
            tuple(column.name for column in one.columns)
            for one in table.constraints
            if isinstance(one, sa.UniqueConstraint)
        )
        for name, table in metadata.tables.items()
    }
    assert expected == found
    assert [("created_issue",), ("journal",), ("mailbox", "folder", "uid_validity", "uid")] == found["mail"]

"""What older versions have stored means the same after an upgrade."""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from redmine_mailbridge.store import migrations
from redmine_mailbridge.store.engine import Database
from redmine_mailbridge.store.schema import content, mail
from redmine_mailbridge.store.store import Store


def old_store(folder: Path, revision: str, *inserts: sa.Insert) -> Path:
    """Given a folder, make a store as of a revision there, and put rows into it. Return its file."""
    file = folder / "old.db"
    database = Database(f"sqlite:///{file}")
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        for insert in inserts:
            connection.execute(insert)
    database.close()
    return file


def old_mail(number: int, **values: object) -> sa.Insert:
    """Given a number and further columns, return the row of a mail that an older version has done with."""
    place = {"mailbox": "desk", "folder": "INBOX", "validity": "1", "uid": str(number)}
    return sa.insert(mail).values(
        id=number, **place, size=5, raw=f"d{number}", kept_at=1.0, changed_at=1.0, state="done", **values
    )


def test_keys_of_mails_without_a_message_id(tmp_path: Path) -> None:
    """A mail without Message-ID that was read before is known by the key that it would get today; others by theirs."""
    made = "made.00ff@mailbridge.invalid"
    rows = [(1, made, "aa"), (2, made, "desk/bb"), (3, "x@example.com", "cc")]
    mails = [old_mail(number, message_id=message_id, content_key=key) for number, message_id, key in rows]
    keys = [sa.insert(content).values(key=key, mail_id=number) for number, _, key in rows]
    store = Store.open(f"sqlite:///{old_store(tmp_path, '0051', *mails, *keys)}", tmp_path / "raw")
    with store.database.read() as db:
        found = db.execute(sa.select(mail.c.content_key, mail.c.digest, content.c.key).join(content)).all()
    store.close()
    expected = {("traced:aa", "d1", "traced:aa"), ("desk/traced:bb", "d2", "desk/traced:bb"), ("cc", "d3", "cc")}
    assert expected == {tuple(row) for row in found}

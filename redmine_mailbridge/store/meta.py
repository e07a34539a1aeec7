"""Single values that the store keeps by name: how far something was read, secrets, pauses.

The names: `instance` and `sign-in-key` (`FolderCursors.secret`), `braked:` and `released:` (intake_limits.py), `doubt:`
(store/mails/doubts.py), `answers:` (note_decisions.py), `holder:` (lock.py), `begun:` and `begun-commands:`
(begun_issues.py), and those that their modules name.
"""

import sqlalchemy as sa

from redmine_mailbridge.store.dialects import insert_missing, upsert
from redmine_mailbridge.store.tables import meta


class Meta:
    """The values, within the caller's open transaction."""

    def __init__(self, db: sa.Connection) -> None:
        self._db = db

    def get(self, key: str) -> str | None:
        """The value of this name; None if there is none."""
        value = self._db.execute(sa.select(meta.c.value).where(meta.c.key == key)).scalar()
        return None if value is None else str(value)

    def put(self, key: str, value: str) -> None:
        """Store a value, replacing the one of this name."""
        upsert(self._db, meta, {"key": key, "value": value})

    def add(self, key: str, value: str) -> str:
        """Store a value, unless there is one of this name. Return the stored one."""
        insert_missing(self._db, meta, {"key": key, "value": value})
        return self.get(key) or value

    def remove(self, *keys: str) -> None:
        """Delete the values of these names."""
        self._db.execute(sa.delete(meta).where(meta.c.key.in_(keys)))

    def count(self, key: str) -> int:
        """Increment a number, which starts at 0. Return it."""
        self.add(key, "0")
        number = sa.cast(sa.cast(meta.c.value, sa.BigInteger) + 1, sa.Text)
        counted = sa.update(meta).where(meta.c.key == key).values(value=number).returning(meta.c.value)
        return int(self._db.execute(counted).scalar_one())

"""What the store knows beside the mails: how far each folder has been read, releases, and its own secrets."""

import secrets
import time
from collections.abc import Callable, Collection, Sequence

import sqlalchemy as sa

from redmine_mailbridge.model.mailbox import Location
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_if_missing, upsert
from redmine_mailbridge.store.intake_limits import Brake
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.tables import folder, left_lying, mail

ALL_NEW = 10**9
"""As many new mails as there may be: what a release without a number lets pass."""
NOTED = ""
"""The UID of the row that says: what was left lying in this folder is noted, all of it."""
AT_ONCE = 5000
"""UIDs in one question."""


class Folders:
    """Remembers folders. Safe for many threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock
        self._brake = Brake(database)

    def secret(self, name: str) -> str:
        """A random value that is made once for this store and stays (the instance id, the key of our ids)."""
        with self.database.read() as db:
            value = Meta(db).get(name)
        if value is not None:
            return value
        with self.database.write() as db:
            return Meta(db).add(name, secrets.token_hex(16))

    def cursor(self, mailbox: str, name: str) -> Cursor | None:
        """How far this folder has been read; None when never."""
        query = sa.select(folder.c.validity, folder.c.uid).where(folder.c.mailbox == mailbox, folder.c.folder == name)
        with self.database.read() as db:
            row = db.execute(query).first()
        return Cursor(row.validity, row.uid) if row else None

    def begun(self, mailbox: str, name: str) -> float:
        """When this folder was read for the first time, seconds since the epoch; now, when it never was."""
        query = sa.select(folder.c.since).where(folder.c.mailbox == mailbox, folder.c.folder == name)
        with self.database.read() as db:
            value = db.execute(query).scalar()
        return self.clock() if value is None else float(value)

    def begin_folder(
        self,
        mailbox: str,
        name: str,
        cursor: Cursor,
        *,
        until: str | None,
        left: Collection[str] = (),
        taken_from: float | None = None,
    ) -> None:
        """A folder is read for the first time: note from where on, and up to which UID mail lay there before.

        Where UIDs have no order, `until` is "@" and the newest time of receipt there (epoch seconds). `left` are the
        UIDs that are not taken although the cursor does not leave them behind; `taken_from` is the time (epoch seconds)
        of receipt from which on mails count, whatever the settings come to say: 0.0 for all.
        """
        row = {"mailbox": mailbox, "folder": name, "validity": cursor.validity, "uid": cursor.uid}
        values = row | {"first_until": until, "since": self.clock(), "taken_from": taken_from}
        with effect(Effect.KEEP_ROW), self.database.write() as db:
            if insert_if_missing(db, folder, values):
                self._leave(db, mailbox, name, left)

    def taken_from(self, mailbox: str, name: str) -> float | None:
        """From when on mails of this folder count by the time of their receipt (epoch seconds); None: never noted."""
        query = sa.select(folder.c.taken_from).where(folder.c.mailbox == mailbox, folder.c.folder == name)
        with self.database.read() as db:
            value = db.execute(query).scalar()
        return None if value is None else float(value)

    def known_ids(self, mailbox: str, message_ids: Collection[str]) -> frozenset[str]:
        """Given Message-IDs, return those of mails that this mailbox has read."""
        found: set[str] = set()
        there = sa.select(mail.c.message_id).where(mail.c.mailbox == mailbox)
        with self.database.read() as db:
            for some in chunks(sorted(message_ids), AT_ONCE):
                found.update(db.execute(there.where(mail.c.message_id.in_(some))).scalars())
        return frozenset(found)

    def begin_again(self, mailbox: str, name: str, cursor: Cursor, *, left: Collection[str] = ()) -> None:
        """All UIDs of a folder are others now: note from where on it is read, and what is left lying, as before."""
        with effect(Effect.KEEP_ROW), self.database.write() as db:
            self._move_cursor(db, mailbox, name, cursor, self.clock())
            self._leave(db, mailbox, name, left)

    def received_at(self, place: Location) -> float | None:
        """When the mail that was kept from there was received (epoch seconds); None when nobody knows."""
        query = sa.select(mail.c.received_at).where(
            mail.c.mailbox == place.mailbox,
            mail.c.folder == place.folder,
            mail.c.validity == place.validity,
            mail.c.uid == place.uid,
        )
        with self.database.read() as db:
            value = db.execute(query).scalar()
        return None if value is None else float(value)

    def end_validity(self, mailbox: str, name: str) -> None:
        """The UIDs of a folder name other mails from now on, although its UIDVALIDITY is the same: what is known of it
        stands under another one, which no server has.
        """
        with effect(Effect.KEEP_ROW), self.database.write() as db:
            number = Meta(db).count("uids_gone_back")
            for table in (mail, folder):
                untagged = sa.and_(table.c.mailbox == mailbox, table.c.folder == name, table.c.validity.not_like("%@%"))
                ended = table.c.validity.concat(f"@back{number}")
                db.execute(sa.update(table).where(untagged).values(validity=ended))

    def left(self, mailbox: str, name: str) -> frozenset[str] | None:
        """The UIDs that were left lying in a folder though no cursor leaves them behind; None: never noted."""
        query = sa.select(left_lying.c.uid).where(left_lying.c.mailbox == mailbox, left_lying.c.folder == name)
        with self.database.read() as db:
            found = frozenset(db.execute(query).scalars())
        return found - {NOTED} if found else None

    def leave(self, mailbox: str, name: str, left: Collection[str]) -> None:
        """Note what was left lying in a folder."""
        with effect(Effect.KEEP_ROW), self.database.write() as db:
            self._leave(db, mailbox, name, left)

    def _leave(self, db: sa.Connection, mailbox: str, name: str, left: Collection[str]) -> None:
        db.execute(sa.delete(left_lying).where(left_lying.c.mailbox == mailbox, left_lying.c.folder == name))
        rows = [{"mailbox": mailbox, "folder": name, "uid": uid} for uid in {NOTED, *left}]
        db.execute(sa.insert(left_lying), rows)

    def _lay_there(self, db: sa.Connection, place: Location) -> Callable[[str, float | None], bool]:
        """Given a mail of a folder, return what says of a UID and a time of receipt whether that mail lay in the
        folder when it was first read.
        """
        query = sa.select(folder.c.first_until).where(
            folder.c.mailbox == place.mailbox,
            folder.c.folder == place.folder,
            folder.c.validity == place.validity,
        )
        until = str(db.execute(query).scalar() or "")
        if until.startswith("@"):
            return lambda _uid, received_at: received_at is not None and received_at <= float(until[1:])
        return lambda uid, _received_at: until.isdecimal() and uid.isdecimal() and int(uid) <= int(until)

    def known(
        self, mailbox: str, name: str | None, uids: Sequence[str], *, validity: str | None = None
    ) -> frozenset[str]:
        """Given UIDs of a folder (None: of all) and its validity (None: any), return those that are kept already, or
        were left lying when the folder was first read.
        """
        there = sa.select(mail.c.uid).where(mail.c.mailbox == mailbox)
        there = there.where(mail.c.validity == validity) if validity is not None else there
        there = there.where(mail.c.folder == name) if name is not None else there
        lying = sa.select(left_lying.c.uid).where(left_lying.c.mailbox == mailbox)
        lying = lying.where(left_lying.c.folder == name) if name is not None else lying
        found: set[str] = set()
        with self.database.read() as db:
            for some in chunks(uids, AT_ONCE):
                found.update(db.execute(there.where(mail.c.uid.in_(some))).scalars())
                found.update(db.execute(lying.where(left_lying.c.uid.in_(some))).scalars())
        return frozenset(found)

    # ------------------------------------------------------------------ brakes

    def brake(self, mailbox: str, number: int) -> None:
        """A mailbox has stopped and asks, since so many mails are suddenly new."""
        self._brake.stop(mailbox, number)

    def braked(self, mailbox: str) -> int | None:
        """With how many new mails a mailbox has stopped; None: it has not."""
        return self._brake.stopped(mailbox)

    def released(self, mailbox: str) -> int | None:
        """How many new mails at once an admin has released for a braked mailbox; None: none."""
        return self._brake.released(mailbox)

    def release(self, mailbox: str, number: int) -> int | None:
        """An admin lets a braked mailbox go on with up to so many new mails. Return with how many it has stopped; None,
        and nothing is released, when it has not.
        """
        return self._brake.release(mailbox, number)

    def end_brake(self, mailbox: str) -> None:
        """It went on: the next time that very much is new, the mailbox stops again."""
        self._brake.end(mailbox)

    def move_cursor(self, mailbox: str, name: str, cursor: Cursor) -> None:
        """Remember how far a folder has been read, without a mail (a new folder, a changed validity)."""
        with effect(Effect.KEEP_ROW), self.database.write() as db:
            self._move_cursor(db, mailbox, name, cursor, self.clock())

    def _move_cursor(self, db: sa.Connection, mailbox: str, name: str, cursor: Cursor, now: float) -> None:
        row = {"mailbox": mailbox, "folder": name, "since": now, "validity": cursor.validity, "uid": cursor.uid}
        same = folder.c.validity == cursor.validity
        until = sa.case((same, folder.c.first_until), else_=None)
        upsert(db, folder, row, since=folder.c.since, first_until=until)

"""Store data other than messages: how far each folder has been read, releases, and the store's own secrets."""

import secrets
import time
from collections.abc import Callable, Collection, Sequence

import sqlalchemy as sa

from redmine_mailbridge.model.mailbox import Location
from redmine_mailbridge.model.stored_mail import Cursor
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_if_missing, upsert
from redmine_mailbridge.store.intake_limits import IntakeStops
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.tables import folder, left_lying, mail

ALL_NEW = 10**9
"""Maximum number of new messages: what a release without a number allows."""
NOTED = ""
"""The UID of the marker row: the messages left in this folder are recorded completely."""
AT_ONCE = 5000
"""UIDs per query."""


class FolderCursors:
    """Stores folder cursors. Thread-safe."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.database = database
        self.clock = clock
        self._brake = IntakeStops(database)

    def secret(self, name: str) -> str:
        """A random value, created once for this store (the instance id, the key of the bridge's Message-IDs)."""
        with self.database.read() as db:
            value = Meta(db).get(name)
        if value is not None:
            return value
        with self.database.write() as db:
            return Meta(db).add(name, secrets.token_hex(16))

    def cursor(self, mailbox: str, name: str) -> Cursor | None:
        """How far this folder has been read; None if never."""
        query = sa.select(folder.c.uid_validity, folder.c.uid).where(
            folder.c.mailbox == mailbox, folder.c.folder == name
        )
        with self.database.read() as db:
            row = db.execute(query).first()
        return Cursor(row.uid_validity, row.uid) if row else None

    def begun(self, mailbox: str, name: str) -> float:
        """When this folder was first read, seconds since the epoch; now, if it never was."""
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
        """A folder is read for the first time: record the start, and up to which UID messages existed before.

        Where UIDs have no order, `until` is "@" and the newest time of receipt there (epoch seconds). `left` are the
        UIDs that are skipped although the cursor does not exclude them; `taken_from` is the time of receipt (epoch
        seconds) from which messages are read, regardless of later settings: 0.0 for all.
        """
        row = {"mailbox": mailbox, "folder": name, "uid_validity": cursor.uid_validity, "uid": cursor.uid}
        values = row | {"first_until": until, "since": self.clock(), "taken_from": taken_from}
        with side_effect(SideEffect.KEEP_ROW), self.database.write() as db:
            if insert_if_missing(db, folder, values):
                self._leave(db, mailbox, name, left)

    def taken_from(self, mailbox: str, name: str) -> float | None:
        """The time of receipt from which messages of this folder are read (epoch seconds); None: not recorded."""
        query = sa.select(folder.c.taken_from).where(folder.c.mailbox == mailbox, folder.c.folder == name)
        with self.database.read() as db:
            value = db.execute(query).scalar()
        return None if value is None else float(value)

    def known_ids(self, mailbox: str, message_ids: Collection[str]) -> frozenset[str]:
        """Given Message-IDs, return those of messages that this mailbox has read."""
        known: set[str] = set()
        query = sa.select(mail.c.message_id).where(mail.c.mailbox == mailbox)
        with self.database.read() as db:
            for some in chunks(sorted(message_ids), AT_ONCE):
                known.update(db.execute(query.where(mail.c.message_id.in_(some))).scalars())
        return frozenset(known)

    def begin_again(self, mailbox: str, name: str, cursor: Cursor, *, left: Collection[str] = ()) -> None:
        """All UIDs of a folder have changed: record from where it is read, and which messages are skipped, as
        before."""
        with side_effect(SideEffect.KEEP_ROW), self.database.write() as db:
            self._move_cursor(db, mailbox, name, cursor, self.clock())
            self._leave(db, mailbox, name, left)

    def received_at(self, place: Location) -> float | None:
        """When the message stored from there was received (epoch seconds); None if unknown."""
        query = sa.select(mail.c.received_at).where(
            mail.c.mailbox == place.mailbox,
            mail.c.folder == place.folder,
            mail.c.uid_validity == place.uid_validity,
            mail.c.uid == place.uid,
        )
        with self.database.read() as db:
            value = db.execute(query).scalar()
        return None if value is None else float(value)

    def end_validity(self, mailbox: str, name: str) -> None:
        """The UIDs of a folder now identify other messages although its UIDVALIDITY is unchanged: its known messages
        move to another UIDVALIDITY, which no server uses.
        """
        with side_effect(SideEffect.KEEP_ROW), self.database.write() as db:
            number = Meta(db).count("uids_gone_back")
            for table in (mail, folder):
                untagged = sa.and_(
                    table.c.mailbox == mailbox, table.c.folder == name, table.c.uid_validity.not_like("%@%")
                )
                ended = table.c.uid_validity.concat(f"@back{number}")
                db.execute(sa.update(table).where(untagged).values(uid_validity=ended))

    def never_read(self, mailbox: str, name: str) -> None:
        """What was read under this folder's name says nothing about the folder: it counts as never read."""
        with side_effect(SideEffect.KEEP_ROW), self.database.write() as db:
            for table in (folder, left_lying):
                db.execute(sa.delete(table).where(table.c.mailbox == mailbox, table.c.folder == name))

    def left(self, mailbox: str, name: str) -> frozenset[str] | None:
        """The UIDs skipped in a folder that no cursor excludes; None: not recorded."""
        query = sa.select(left_lying.c.uid).where(left_lying.c.mailbox == mailbox, left_lying.c.folder == name)
        with self.database.read() as db:
            uids = frozenset(db.execute(query).scalars())
        return uids - {NOTED} if uids else None

    def leave(self, mailbox: str, name: str, left: Collection[str]) -> None:
        """Record the messages skipped in a folder."""
        with side_effect(SideEffect.KEEP_ROW), self.database.write() as db:
            self._leave(db, mailbox, name, left)

    def _leave(self, db: sa.Connection, mailbox: str, name: str, left: Collection[str]) -> None:
        db.execute(sa.delete(left_lying).where(left_lying.c.mailbox == mailbox, left_lying.c.folder == name))
        rows = [{"mailbox": mailbox, "folder": name, "uid": uid} for uid in {NOTED, *left}]
        db.execute(sa.insert(left_lying), rows)

    def _lay_there(self, db: sa.Connection, place: Location) -> Callable[[str, float | None], bool]:
        """Given a message of a folder, return a predicate on UID and time of receipt: whether such a message was in the
        folder when it was first read.
        """
        query = sa.select(folder.c.first_until).where(
            folder.c.mailbox == place.mailbox,
            folder.c.folder == place.folder,
            folder.c.uid_validity == place.uid_validity,
        )
        until = str(db.execute(query).scalar() or "")
        if until.startswith("@"):
            return lambda _uid, received_at: received_at is not None and received_at <= float(until[1:])
        return lambda uid, _received_at: until.isdecimal() and uid.isdecimal() and int(uid) <= int(until)

    def known(
        self, mailbox: str, name: str | None, uids: Sequence[str], *, uid_validity: str | None = None
    ) -> frozenset[str]:
        """Given UIDs of a folder (None: of all) and its UIDVALIDITY (None: any), return those that are already stored,
        or were skipped when the folder was first read.
        """
        stored = sa.select(mail.c.uid).where(mail.c.mailbox == mailbox)
        stored = stored.where(mail.c.uid_validity == uid_validity) if uid_validity is not None else stored
        stored = stored.where(mail.c.folder == name) if name is not None else stored
        backlog = sa.select(left_lying.c.uid).where(left_lying.c.mailbox == mailbox)
        backlog = backlog.where(left_lying.c.folder == name) if name is not None else backlog
        known: set[str] = set()
        with self.database.read() as db:
            for some in chunks(uids, AT_ONCE):
                known.update(db.execute(stored.where(mail.c.uid.in_(some))).scalars())
                known.update(db.execute(backlog.where(left_lying.c.uid.in_(some))).scalars())
        return frozenset(known)

    # ------------------------------------------------------------------ brakes

    def brake(self, mailbox: str, number: int) -> None:
        """A mailbox is paused until an admin resumes it, because too many messages are new at once."""
        self._brake.stop(mailbox, number)

    def braked(self, mailbox: str) -> int | None:
        """The number of new messages at which a mailbox was paused; None: it is not paused."""
        return self._brake.stopped(mailbox)

    def released(self, mailbox: str) -> int | None:
        """How many new messages an admin has released for a paused mailbox; None: none."""
        return self._brake.released(mailbox)

    def release(self, mailbox: str, number: int) -> int | None:
        """An admin resumes a paused mailbox with up to this many new messages. Return the number at which it was
        paused; None, and nothing is released, if it is not paused.
        """
        return self._brake.release(mailbox, number)

    def end_brake(self, mailbox: str) -> None:
        """The mailbox has resumed: the next time too many messages are new, it is paused again."""
        self._brake.end(mailbox)

    def move_cursor(self, mailbox: str, name: str, cursor: Cursor) -> None:
        """Store how far a folder has been read, without a message (a new folder, a changed UIDVALIDITY)."""
        with side_effect(SideEffect.KEEP_ROW), self.database.write() as db:
            self._move_cursor(db, mailbox, name, cursor, self.clock())

    def _move_cursor(self, db: sa.Connection, mailbox: str, name: str, cursor: Cursor, now: float) -> None:
        row = {"mailbox": mailbox, "folder": name, "since": now, "uid_validity": cursor.uid_validity, "uid": cursor.uid}
        same = folder.c.uid_validity == cursor.uid_validity
        until = sa.case((same, folder.c.first_until), else_=None)
        upsert(db, folder, row, since=folder.c.since, first_until=until)

"""Storing new messages: bytes, then the row, together with the cursor of the folder."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.model.mail_state import BEGINS, State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Cursor, StoredMail
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.dialects import insert_missing
from redmine_mailbridge.store.mails.filing import FilingRecords
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.mails.steps import write_step_each, write_steps
from redmine_mailbridge.store.raw_mails.spool import discard
from redmine_mailbridge.store.tables import mail


class MailAdder(FilingRecords):
    """Stores messages: all of them, or the record of one whose bytes the server does not return."""

    def add(self, raws: Sequence[RawMail], *, cursor: Cursor | None = None, way: str = "") -> list[StoredMail]:
        """Given messages of one folder, store bytes and rows durably, and move the folder's cursor with them.

        A location that is already known keeps its row: the call is idempotent. `way` is how they were fetched, the
        first history line of each new one. Return the rows in order.
        """
        if not raws:
            return []
        try:
            with self.raw.in_use:
                return self._keep(raws, cursor, way)
        finally:
            for raw in raws:  # those after one that could not be stored
                discard(raw)

    def _keep(self, raws: Sequence[RawMail], cursor: Cursor | None, way: str) -> list[StoredMail]:
        digests = [self.raw.keep(raw) for raw in raws]
        now = self.clock()
        values = [_new_row(raw, digest, now) for raw, digest in zip(raws, digests, strict=True)]
        first = raws[0].listed.location
        with side_effect(SideEffect.KEEP_ROW), self.database.write() as db:
            self.raw.hold(db, digests)
            lay_there = self._lay_there(db, first)
            for value in values:
                value["first_sync"] = lay_there(value["uid"], value["received_at"])
            insert_missing(db, mail, values)
            if cursor is not None:
                self._move_cursor(db, first.mailbox, first.folder, cursor, now)
            rows = _at(db, [raw.listed.location for raw in raws])
            if way:
                write_step_each(db, [(row.id, way) for row in rows if row.kept_at == now], now)
            return rows

    def add_unfetched(
        self,
        listed: Listed,
        reason: str,
        *,
        cursor: Cursor,
        state: State = State.FAILED,
        next_try_at: float = 0.0,
    ) -> StoredMail:
        """Given a message that the server does not return, record it without its bytes, and continue after it.

        It gets the state failed; or stored, to be fetched again from that time on (seconds since the epoch). Return its
        row. Raise StoreError if no message starts in this state.
        """
        if state not in BEGINS:
            raise StoreError(f"a message cannot start as {state}: only as {' or '.join(BEGINS)}")
        now = self.clock()
        values = _new_row(RawMail(listed), None, now) | {"state": state, "reason": reason, "next_try_at": next_try_at}
        place = listed.location
        with side_effect(SideEffect.KEEP_ROW), self.database.write() as db:
            values["first_sync"] = self._lay_there(db, place)(place.uid, values["received_at"])
            insert_missing(db, mail, values)
            self._move_cursor(db, place.mailbox, place.folder, cursor, now)
            (row,) = _at(db, [place])
            write_steps(db, row.id, (f"not fetched: {reason}",), now)
        return row


def _new_row(raw: RawMail, digest: str | None, now: float) -> dict[str, Any]:
    listed = raw.listed
    place = listed.location
    return {
        "mailbox": place.mailbox,
        "folder": place.folder,
        "uid_validity": place.uid_validity,
        "uid": place.uid,
        "size": listed.size,
        "raw": digest,
        "digest": digest,
        "truncated": raw.truncated,
        "received_at": listed.received_at.timestamp() if listed.received_at else None,
        "kept_at": now,
        "changed_at": now,
        "state": State.STORED,
        "accepted": False,
        "released": False,
        "tries": 0,
        "next_try_at": 0.0,
        "file_tries": 0,
        "next_file_at": 0.0,
    }


def _at(db: sa.Connection, places: Sequence[Location]) -> list[StoredMail]:
    """The rows at these locations, all of one folder and UIDVALIDITY, in the same order."""
    first = places[0]
    query = sa.select(*COLUMNS).where(
        mail.c.mailbox == first.mailbox,
        mail.c.folder == first.folder,
        mail.c.uid_validity == first.uid_validity,
        mail.c.uid.in_([place.uid for place in places]),
    )
    rows = {row.uid: as_row(row) for row in db.execute(query)}
    return [rows[place.uid] for place in places]

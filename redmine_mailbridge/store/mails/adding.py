"""The beginning of a mail's way: its bytes on disk, then its row, with the cursor of its folder."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.model.mail_state import BEGINS, State
from redmine_mailbridge.model.mailbox import Listed, Location, RawMail
from redmine_mailbridge.model.stored_mail import Cursor, MailRow
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.dialects import insert_missing
from redmine_mailbridge.store.mails.filing import Filed
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.mails.steps import write_step_each, write_steps
from redmine_mailbridge.store.raw_files import discard
from redmine_mailbridge.store.tables import mail


class Kept(Filed):
    """Keeps mails: all of them, or the news of one whose bytes the server does not hand out."""

    def keep(self, raws: Sequence[RawMail], *, cursor: Cursor | None = None, way: str = "") -> list[MailRow]:
        """Given mails of one folder, put bytes and rows durably down, and move the folder's cursor with them.

        A location that is already known keeps its row: keeping is idempotent. `way` is how they were taken, the first
        step of each new one. Return the rows in order.
        """
        if not raws:
            return []
        try:
            with self.raw.in_use:
                return self._keep(raws, cursor, way)
        finally:
            for raw in raws:  # those behind one that could not be kept
                discard(raw)

    def _keep(self, raws: Sequence[RawMail], cursor: Cursor | None, way: str) -> list[MailRow]:
        digests = [self.raw.keep(raw) for raw in raws]
        now = self.clock()
        values = [_new_row(raw, digest, now) for raw, digest in zip(raws, digests, strict=True)]
        first = raws[0].listed.location
        with effect(Effect.KEEP_ROW), self.database.write() as db:
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

    def keep_unfetched(
        self,
        listed: Listed,
        reason: str,
        *,
        cursor: Cursor,
        state: State = State.ASIDE,
        next_try_at: float = 0.0,
    ) -> MailRow:
        """Given a mail that the server does not hand out, note it without its bytes, and go on behind it.

        It is set aside; or KEPT, and fetched anew from that time on (seconds since the epoch). Return its row. Raise
        StoreError when no mail's life begins in this state.
        """
        if state not in BEGINS:
            raise StoreError(f"a mail cannot begin as {state}: only as {' or '.join(BEGINS)}")
        now = self.clock()
        values = _new_row(RawMail(listed), None, now) | {"state": state, "reason": reason, "next_try_at": next_try_at}
        place = listed.location
        with effect(Effect.KEEP_ROW), self.database.write() as db:
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
        "validity": place.validity,
        "uid": place.uid,
        "size": listed.size,
        "raw": digest,
        "digest": digest,
        "truncated": raw.truncated,
        "first_sync": False,
        "received_at": listed.received_at.timestamp() if listed.received_at else None,
        "kept_at": now,
        "changed_at": now,
        "state": State.KEPT,
        "accepted": False,
        "let_through": False,
        "tries": 0,
        "next_try_at": 0.0,
        "file_tries": 0,
        "next_file_at": 0.0,
    }


def _at(db: sa.Connection, places: Sequence[Location]) -> list[MailRow]:
    """The rows at these locations, all of one folder and validity, in the same order."""
    first = places[0]
    query = sa.select(*COLUMNS).where(
        mail.c.mailbox == first.mailbox,
        mail.c.folder == first.folder,
        mail.c.validity == first.validity,
        mail.c.uid.in_([place.uid for place in places]),
    )
    rows = {row.uid: as_row(row) for row in db.execute(query)}
    return [rows[place.uid] for place in places]

"""Messages in the store without bytes: those that wait to be fetched again, and their results."""

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN
from redmine_mailbridge.model.mailbox import Location, RawMail
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.dialects import is_there
from redmine_mailbridge.store.due import mail_is_due
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.tables import mail


def due_to_fetch(store: Store, mailbox: str, *, limit: int = 50) -> list[StoredMail]:
    """The open messages of a mailbox without bytes that are due, oldest first."""
    query = sa.select(*COLUMNS).where(
        mail.c.mailbox == mailbox,
        mail.c.state.in_(OPEN),
        mail.c.raw.is_(None),
        mail_is_due(store.clock()),
    )
    with store.database.read() as db:
        return [as_row(row) for row in db.execute(query.order_by(mail.c.id).limit(limit))]


def fetched(store: Store, row: StoredMail, raw: RawMail) -> StoredMail | None:
    """Given a message without bytes, and the fetched bytes, store them durably. Return the current row.

    Its location becomes that of the bytes. None if they belong to another message with that location.
    """
    with store.raw.in_use:
        digest = store.raw.keep(raw)
        place = raw.listed.location
        values = {"raw": digest, "truncated": raw.truncated, "tries": 0, "next_try_at": 0.0, "reason": None}
        where = {"folder": place.folder, "uid_validity": place.uid_validity, "uid": place.uid}
        lies = "" if place == row.location else f" from {place.folder}, its current folder"
        same = (mail.c.id == row.id, mail.c.raw.is_(None), mail.c.state.in_(OPEN))
        with side_effect(SideEffect.KEEP_ROW), store.database.write() as db:
            store.raw.hold(db, [digest])
            if place != row.location and _is_anothers(db, row, place, digest):
                return None
            db.execute(sa.update(mail).where(*same).values(values | where))
            write_steps(db, row.id, (f"fetched on a later try{lies}",), store.clock())
            return as_row(db.execute(sa.select(*COLUMNS).where(mail.c.id == row.id)).one())


def _is_anothers(db: sa.Connection, row: StoredMail, place: Location, digest: str) -> bool:
    """Does another message in the store have this location, or these bytes?"""
    there = sa.and_(
        mail.c.mailbox == place.mailbox,
        mail.c.folder == place.folder,
        mail.c.uid_validity == place.uid_validity,
        mail.c.uid == place.uid,
    )
    others = sa.select(mail.c.id).where(mail.c.id != row.id, sa.or_(there, mail.c.raw == digest))
    return is_there(db, others)

"""Mails that the store knows of and has no bytes of: those that wait to be fetched anew, and what becomes of them."""

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN
from redmine_mailbridge.model.mailbox import Location, RawMail
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.due import mail_is_due
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.tables import mail


def wanted(store: Store, mailbox: str, *, limit: int = 50) -> list[MailRow]:
    """The open mails of a mailbox without bytes whose next try is due, oldest first."""
    query = sa.select(*COLUMNS).where(
        mail.c.mailbox == mailbox,
        mail.c.state.in_(OPEN),
        mail.c.raw.is_(None),
        mail_is_due(store.clock()),
    )
    with store.database.read() as db:
        return [as_row(row) for row in db.execute(query.order_by(mail.c.id).limit(limit))]


def fetched(store: Store, row: MailRow, raw: RawMail) -> MailRow | None:
    """Given a mail without bytes, and these as they came, put them durably down. Return the mail's row as it is now.

    It lies where the bytes came from. None when they are another mail's, which lies there too.
    """
    with store.raw.in_use:
        digest = store.raw.keep(raw)
        place = raw.listed.location
        values = {"raw": digest, "truncated": raw.truncated, "tries": 0, "next_try_at": 0.0, "reason": None}
        where = {"folder": place.folder, "validity": place.validity, "uid": place.uid}
        lies = "" if place == row.location else f" from {place.folder}, where it lies now"
        same = (mail.c.id == row.id, mail.c.raw.is_(None), mail.c.state.in_(OPEN))
        with effect(Effect.KEEP_ROW), store.database.write() as db:
            if place != row.location and _is_anothers(db, row, place, digest):
                return None
            db.execute(sa.update(mail).where(*same).values(values | where))
            write_steps(db, row.id, (f"fetched after all{lies}",), store.clock())
            return as_row(db.execute(sa.select(*COLUMNS).where(mail.c.id == row.id)).one())


def _is_anothers(db: sa.Connection, row: MailRow, place: Location, digest: str) -> bool:
    """Does another mail of the store lie at this place, or have these bytes?"""
    there = sa.and_(
        mail.c.mailbox == place.mailbox,
        mail.c.folder == place.folder,
        mail.c.validity == place.validity,
        mail.c.uid == place.uid,
    )
    others = sa.select(mail.c.id).where(mail.c.id != row.id, sa.or_(there, mail.c.raw == digest))
    return db.execute(others.limit(1)).first() is not None

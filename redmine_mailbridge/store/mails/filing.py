"""Where closed messages are filed, and when filing is retried."""

import datetime as dt
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import CLOSED, pause_after
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.dialects import is_there
from redmine_mailbridge.store.due import pause_is_over
from redmine_mailbridge.store.mails.copies import CopyRecords
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.mails.steps import write_step_each, write_steps
from redmine_mailbridge.store.tables import mail

GONE = "gone-"
"""Prefix of the UIDVALIDITY of a message that is gone, and whose location may be another's."""

# built once: building a statement costs more than running it
_SET = sa.update(mail).where(mail.c.id == sa.bindparam("of"))


class FilingRecords(CopyRecords):
    """The end of processing: filing the message on the server."""

    def unfiled(self, mailbox: str, *, limit: int = 200) -> list[StoredMail]:
        """The closed messages of a mailbox that are not filed yet, oldest first."""
        query = sa.select(*COLUMNS).where(
            mail.c.mailbox == mailbox,
            mail.c.filed_at.is_(None),
            mail.c.state.in_(CLOSED),
            mail.c.next_file_at <= self.clock(),
        )
        with self.database.read() as db:
            return [as_row(row) for row in db.execute(query.order_by(mail.c.id).limit(limit))]

    def filed(self, places: Sequence[tuple[int, str]], *, vacated: Collection[int] = ()) -> None:
        """Given messages and where each was filed to, in one phrase, record it.

        Those in `vacated` are gone, and the server may assign their location to another message: they have none now.
        """
        if not places:
            return
        now = self.clock()
        with side_effect(SideEffect.RECORD_FILED), self.database.write() as db:
            db.execute(_SET, [{"of": mail_id, "filed_at": now, "filed_to": place} for mail_id, place in places])
            write_step_each(db, [(mail_id, f"filed: {place}") for mail_id, place in places], now)
            if vacated:
                db.execute(_SET, [{"of": mail_id, "uid_validity": f"{GONE}{mail_id}"} for mail_id in vacated])

    def defer_filing(self, mail_id: int, reason: str, *, spare_first: bool = False) -> None:
        """The server rejected the move: retry later, with a growing pause; none the first time, if requested."""
        now = self.clock()
        with side_effect(SideEffect.DEFER), self.database.write() as db:
            tries = int(db.execute(sa.select(mail.c.file_tries).where(mail.c.id == mail_id)).scalar() or 0) + 1
            pause = 0.0 if spare_first and tries == 1 else pause_after(tries - spare_first)
            values = {"file_tries": tries, "next_file_at": now + pause}
            db.execute(sa.update(mail).where(mail.c.id == mail_id).values(values))
            write_steps(db, mail_id, (f"not filed yet: {reason}",), now)

    def hurry_filing(self) -> None:
        """Make messages due soon whose next try is further away than any pause: the clock was set back."""
        waiting = sa.and_(mail.c.filed_at.is_(None), mail.c.file_tries > 0)
        over = sa.and_(waiting, mail.c.next_file_at > 0.0, pause_is_over(mail.c.next_file_at, self.clock()))
        with self.database.read() as db:
            if not is_there(db, sa.select(mail.c.id).where(over)):
                return
        with side_effect(SideEffect.DEFER), self.database.write() as db:
            db.execute(sa.update(mail).where(over).values(next_file_at=0.0))

    def file_after(self, mail_id: int, until: float) -> None:
        """The message stays on the server until then (seconds since the epoch), and is filed after that."""
        day = dt.datetime.fromtimestamp(until, dt.UTC)
        with side_effect(SideEffect.DEFER), self.database.write() as db:
            db.execute(sa.update(mail).where(mail.c.id == mail_id).values(next_file_at=until, file_tries=0))
            write_steps(db, mail_id, (f"left on the server until {day:%Y-%m-%d %H:%M} UTC",), self.clock())

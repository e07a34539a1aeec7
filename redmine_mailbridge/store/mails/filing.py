"""Where closed mails are filed, and when that is tried again."""

import datetime as dt
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import CLOSED, pause_after
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.due import pause_is_over
from redmine_mailbridge.store.mails.copies import Copies
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.mails.steps import write_step_each, write_steps
from redmine_mailbridge.store.tables import mail

GONE = "gone-"
"""How the validity begins under which a mail lies that has gone, and whose place may be another's."""

# made once: making a statement anew costs more than running it
_SET = sa.update(mail).where(mail.c.id == sa.bindparam("of"))


class Filed(Copies):
    """The end of a mail's way: the place where it is filed."""

    def unfiled(self, mailbox: str, *, limit: int = 200) -> list[MailRow]:
        """The closed mails of a mailbox that still lie where they were found, oldest first."""
        query = sa.select(*COLUMNS).where(
            mail.c.mailbox == mailbox,
            mail.c.filed_at.is_(None),
            mail.c.state.in_(CLOSED),
            mail.c.next_file_at <= self.clock(),
        )
        with self.database.read() as db:
            return [as_row(row) for row in db.execute(query.order_by(mail.c.id).limit(limit))]

    def filed(self, places: Sequence[tuple[int, str]], *, vacated: Collection[int] = ()) -> None:
        """Given mails and where each was filed to, in one human phrase, note it.

        Those in `vacated` have gone, and the server may give their place to another mail: they lie nowhere now.
        """
        if not places:
            return
        now = self.clock()
        with effect(Effect.RECORD_FILED), self.database.write() as db:
            db.execute(_SET, [{"of": mail_id, "filed_at": now, "filed_to": place} for mail_id, place in places])
            write_step_each(db, [(mail_id, f"filed: {place}") for mail_id, place in places], now)
            if vacated:
                db.execute(_SET, [{"of": mail_id, "validity": f"{GONE}{mail_id}"} for mail_id in vacated])

    def defer_filing(self, mail_id: int, reason: str, *, spare_first: bool = False) -> None:
        """The server would not move it: try again later, with a growing pause; none for the first time, if asked so."""
        now = self.clock()
        with effect(Effect.DEFER), self.database.write() as db:
            tries = int(db.execute(sa.select(mail.c.file_tries).where(mail.c.id == mail_id)).scalar() or 0) + 1
            pause = 0.0 if spare_first and tries == 1 else pause_after(tries - spare_first)
            values = {"file_tries": tries, "next_file_at": now + pause}
            db.execute(sa.update(mail).where(mail.c.id == mail_id).values(values))
            write_steps(db, mail_id, (f"not filed yet: {reason}",), now)

    def hurry_filing(self) -> None:
        """Have the mails filed soon whose next try lies further off than any pause: the clock was set back."""
        waiting = sa.and_(mail.c.filed_at.is_(None), mail.c.file_tries > 0)
        over = sa.and_(waiting, mail.c.next_file_at > 0.0, pause_is_over(mail.c.next_file_at, self.clock()))
        with self.database.read() as db:
            if db.execute(sa.select(mail.c.id).where(over).limit(1)).first() is None:
                return
        with effect(Effect.DEFER), self.database.write() as db:
            db.execute(sa.update(mail).where(over).values(next_file_at=0.0))

    def postpone_filing(self, mail_id: int, until: float) -> None:
        """The mail stays on the server until then (seconds since the epoch), and is filed after that."""
        day = dt.datetime.fromtimestamp(until, dt.UTC)
        with effect(Effect.DEFER), self.database.write() as db:
            db.execute(sa.update(mail).where(mail.c.id == mail_id).values(next_file_at=until, file_tries=0))
            write_steps(db, mail_id, (f"left on the server until {day:%Y-%m-%d %H:%M} UTC",), self.clock())

"""Which sent messages still lack their copy in the mailbox's Sent folder. The record is the row of the outbox.

A row gets the mark in the transaction that records that it was sent, and loses it when the copy is there. A process
that dies in between finds the copy by its Message-ID, so that no second one is made.
"""

from collections.abc import Callable

import sqlalchemy as sa

from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.outgoing.rows import ROWS, QueuedMail
from redmine_mailbridge.store.tables import outbox


class SentCopies:
    """The messages without a copy. Safe for concurrent threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self.clock = clock

    def waiting(self, mailbox: str, *, limit: int, after: int = 0) -> list[QueuedMail]:
        """Given a mailbox, return the messages that lack their copy, one row for each, oldest first, behind the row
        with the id `after`.
        """
        first = sa.select(sa.func.min(outbox.c.id)).where(outbox.c.mailbox == mailbox, outbox.c.copy_due.is_(True))
        mine = sa.and_(outbox.c.id.in_(first.group_by(outbox.c.message_id)), outbox.c.id > after)
        query = ROWS.where(mine).order_by(outbox.c.id)
        with self._database.read() as db:
            return [QueuedMail(**row._mapping) for row in db.execute(query.limit(limit))]

    def done(self, mail: QueuedMail, line: str) -> None:
        """The message has its copy, or gets none; the line is for its history."""
        mine = sa.and_(
            outbox.c.mailbox == mail.mailbox, outbox.c.message_id == mail.message_id, outbox.c.copy_due.is_(True)
        )
        now = self.clock()
        with side_effect(SideEffect.RECORD_SENT), self._database.write() as db:
            if db.execute(sa.update(outbox).where(mine).values(copy_due=False)).rowcount:
                write_steps(db, mail.mail_id, [line], now)

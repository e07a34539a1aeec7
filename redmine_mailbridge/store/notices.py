"""Notices to the agents of an issue about its messages, each posted once as a private note."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_missing, is_there
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.tables import notice
from redmine_mailbridge.util.dataclass import dataclass

HELD = "held/"
"""How the key of a notice about an agent's note begins that a rate limit defers; the id of the note follows."""


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice: `key` identifies it on its issue, so that it is posted once; `text` is escaped markup."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice not yet posted. `mail_id` is the message whose history records it; `created_at` in epoch seconds."""

    id: int
    issue: int
    mail_id: int | None
    text: str
    created_at: float


def notify(db: sa.Connection, issue: int, mail_id: int | None, notices: Sequence[NewNotice], now: float) -> None:
    """Given an open transaction, an issue and a notice, store it; an existing one is unchanged."""
    rows = [
        {"issue": issue, "key": new.key, "mail_id": mail_id, "text": new.text, "created_at": now} for new in notices
    ]
    insert_missing(db, notice, rows)


class Notices:
    """The pending notices. Safe for concurrent threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def unreported(self, *, limit: int = 100) -> list[Notice]:
        """The pending notices, oldest first; one per issue in turn, as with `Outbox.unreported`."""
        columns = (notice.c.id, notice.c.issue, notice.c.mail_id, notice.c.text, notice.c.created_at)
        query = sa.select(*columns).where(notice.c.reported_at.is_(None))
        turn = sa.func.row_number().over(partition_by=notice.c.issue, order_by=notice.c.id)
        with self._database.read() as db:
            return [Notice(**row._mapping) for row in db.execute(query.order_by(turn, notice.c.id).limit(limit))]

    def add(self, issue: int, mail_id: int | None, new: NewNotice) -> None:
        """Store a notice about an issue, once; an existing one is unchanged, and costs no write."""
        if self.is_known(issue, new.key):
            return
        with side_effect(SideEffect.QUEUE_MAIL), self._database.write() as db:
            notify(db, issue, mail_id, [new], self._clock())

    def is_known(self, issue: int, key: str) -> bool:
        """Is there a notice with this key, pending or posted?"""
        with self._database.read() as db:
            return is_there(db, sa.select(notice.c.id).where(notice.c.issue == issue, notice.c.key == key))

    def mark_reported(self, reported: Notice, line: str | None = None) -> None:
        """It is posted on its issue (or cannot be: the line says why)."""
        now = self._clock()
        with side_effect(SideEffect.RECORD_SENT), self._database.write() as db:
            db.execute(sa.update(notice).where(notice.c.id == reported.id).values(reported_at=now))
            if line is not None:
                write_steps(db, reported.mail_id, (line,), now)

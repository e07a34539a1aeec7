"""The history of each message: lines of text, append-only."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from redmine_mailbridge.store.dialects import is_there
from redmine_mailbridge.store.tables import step

_INSERT = sa.insert(step)


def write_steps(db: sa.Connection, mail_id: int | None, lines: Sequence[str], now: float) -> None:
    """Given a message and lines of text, add them to its history, within a write transaction. None: no message exists
    whose history could hold them.
    """
    if mail_id is not None:
        write_step_each(db, [(mail_id, line) for line in lines], now)


def write_step_each(db: sa.Connection, lines: Iterable[tuple[int, str]], now: float) -> None:
    """Given messages, each with a line, add them to their histories, within a write transaction."""
    rows = [{"mail_id": mail_id, "at": now, "line": line} for mail_id, line in lines]
    if rows:
        db.execute(_INSERT, rows)


def write_step_once(db: sa.Connection, mail_id: int | None, line: str, now: float) -> None:
    """The same for one line, unless the message's history already has it."""
    there = sa.select(step.c.id).where(step.c.mail_id == mail_id, step.c.line == line)
    if mail_id is not None and not is_there(db, there):
        write_steps(db, mail_id, (line,), now)

"""The human lines about each mail: its record, which only grows."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from redmine_mailbridge.store.tables import step

_INSERT = sa.insert(step)


def write_steps(db: sa.Connection, mail_id: int | None, lines: Sequence[str], now: float) -> None:
    """Given a mail and human lines, add them to its record, within a transaction that writes. None: there is no mail
    whose record could hold them.
    """
    if mail_id is not None:
        write_step_each(db, [(mail_id, line) for line in lines], now)


def write_step_each(db: sa.Connection, lines: Iterable[tuple[int, str]], now: float) -> None:
    """Given mails, each with a human line, add them to their records, within a transaction that writes."""
    rows = [{"mail_id": mail_id, "at": now, "line": line} for mail_id, line in lines]
    if rows:
        db.execute(_INSERT, rows)


def write_step_once(db: sa.Connection, mail_id: int | None, line: str, now: float) -> None:
    """The same for one line, unless it stands on the mail's record already."""
    there = sa.select(step.c.id).where(step.c.mail_id == mail_id, step.c.line == line).limit(1)
    if mail_id is not None and db.execute(there).first() is None:
        write_steps(db, mail_id, (line,), now)

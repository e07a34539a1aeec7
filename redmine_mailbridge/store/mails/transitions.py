"""The one place where a mail's state changes, and only as the table in model/mail_state.py says.

The database itself looks whether the mail stands where the change may begin, in the statement that makes it: of two
processes that want to move one mail, one does, and the other learns where it stands.
"""

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.model.mail_state import FOLLOWS, State
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.tables import mail

# Statements of every mail, made once: making one anew costs more than running it.
_SET = sa.update(mail).where(mail.c.id == sa.bindparam("of"), mail.c.state.in_(sa.bindparam("before", expanding=True)))
_SET_SENT = _SET.values(first_sent_at=sa.func.coalesce(mail.c.first_sent_at, sa.bindparam("sent", type_=sa.Double)))


def move_mail(
    db: sa.Connection,
    mail_id: int,
    to: State,
    now: float,
    lines: Sequence[str] = (),
    *,
    among: Collection[State] = tuple(State),
    **values: Any,
) -> None:
    """Given a mail in one of the states `among` from which it may come to this one, move it there, with these values
    in its row and lines on its record. Raise StoreError, and change nothing, when it stands elsewhere.
    """
    before = [state for state in among if to in FOLLOWS[state]]
    _change(db, mail_id, before, {"state": to, **values}, now, what=f"go to {to}")
    write_steps(db, mail_id, lines, now)


def change_mail(
    db: sa.Connection, mail_id: int, among: Collection[State], now: float, lines: Sequence[str] = (), **values: Any
) -> None:
    """Given a mail in one of these states, change its row and add lines to its record; its state stays. Raise
    StoreError, and change nothing, when it is in another one.
    """
    _change(db, mail_id, among, values, now, what="be changed")
    write_steps(db, mail_id, lines, now)


def _change(
    db: sa.Connection, mail_id: int, before: Collection[State], values: dict[str, Any], now: float, *, what: str
) -> None:
    """One conditional update that must change exactly one row. `sent` is the time of a request: the first one stays."""
    known = {"of": mail_id, "before": list(before), "changed_at": now}
    if db.execute(_SET_SENT if "sent" in values else _SET, known | values).rowcount == 1:
        return
    state = db.execute(sa.select(mail.c.state).where(mail.c.id == mail_id)).scalar()
    stands = f"it is {state}" if state is not None else "there is none"
    only = f"; only one that is {' or '.join(before)} can" if before else ""
    raise StoreError(f"mail {mail_id} cannot {what}: {stands}{only}")

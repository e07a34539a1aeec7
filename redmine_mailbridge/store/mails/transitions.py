"""The only place where a message's state changes, and only as TRANSITIONS in model/mail_state.py allows.

The database itself checks the current state, in the statement that changes it: of two
processes that change one message, one succeeds, and the other gets the current state.
"""

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.model.mail_state import TRANSITIONS, State
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.tables import mail


@cache  # building a statement costs more than running it
def _set(states: int, *, sent: bool) -> Any:
    """Given how many states a message may be in, return the statement (an IN is put together each time)."""
    among = sa.or_(sa.false(), *(mail.c.state == sa.bindparam(f"before{number}") for number in range(states)))
    statement = sa.update(mail).where(mail.c.id == sa.bindparam("of"), among)
    first = sa.func.coalesce(mail.c.first_sent_at, sa.bindparam("sent", type_=sa.Double))
    return statement.values(first_sent_at=first) if sent else statement


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
    """Given a message in one of the states `among` with a transition to this one, change its state, with these values
    in its row and lines in its history. Raise StoreError, and change nothing, if it is in another state.
    """
    before = [state for state in among if to in TRANSITIONS[state]]
    _change(db, mail_id, before, {"state": to, **values}, now, what=f"go to {to}")
    write_steps(db, mail_id, lines, now)


def change_mail(
    db: sa.Connection, mail_id: int, among: Collection[State], now: float, lines: Sequence[str] = (), **values: Any
) -> None:
    """Given a message in one of these states, change its row and add lines to its history; its state stays. Raise
    StoreError, and change nothing, if it is in another state.
    """
    _change(db, mail_id, among, values, now, what="be changed")
    write_steps(db, mail_id, lines, now)


def _change(
    db: sa.Connection, mail_id: int, before: Collection[State], values: dict[str, Any], now: float, *, what: str
) -> None:
    """One conditional update that must change exactly one row. `sent` is the time of a request: the first one is
    kept."""
    known = {"of": mail_id, "changed_at": now} | {f"before{number}": state for number, state in enumerate(before)}
    if db.execute(_set(len(before), sent="sent" in values), known | values).rowcount == 1:
        return
    state = db.execute(sa.select(mail.c.state).where(mail.c.id == mail_id)).scalar()
    stands = f"it is {state}" if state is not None else "it does not exist"
    only = f"; only one that is {' or '.join(before)} can" if before else ""
    raise StoreError(f"message {mail_id} cannot {what}: {stands}{only}")

"""A search for senders and requesters by a part of their addresses, among very many mails."""

from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import contains
from redmine_mailbridge.store.tables import mail

FEW = 100
"""How many senders a search names one by one."""


def written_by(database: Database, words: str) -> sa.ColumnElement[bool]:
    """Given a part of an address, return the condition for mails of senders, or on behalf of requesters, whose address
    it is within.

    Few senders are named one by one, so that an index finds their mails among very many; where it fits many, their
    newest mails are soon found by reading the newest of all.
    """
    return sa.or_(*(_of(database, column, each, words) for column, each in _EACH))


def _of(database: Database, column: sa.Column[Any], each: sa.CTE, words: str) -> sa.ColumnElement[bool]:
    dialect = database.engine.dialect.name
    among = sa.select(each.c.address).where(contains(dialect, each.c.address, words))
    with database.read() as db:
        addresses = list(db.execute(among.limit(FEW + 1)).scalars())
    return column.in_(addresses) if len(addresses) <= FEW else contains(dialect, column, words)


def _each(column: sa.Column[Any]) -> sa.CTE:
    """Each address of a column once, by jumping from one to the next in its index: there are far fewer than mails."""
    first = sa.select(sa.func.min(column).label("address")).cte(f"each_{column.name}", recursive=True)
    following = sa.select(sa.func.min(column)).where(column > first.c.address).scalar_subquery()
    return first.union_all(sa.select(following).where(first.c.address.is_not(None)))


_EACH = tuple((column, _each(column)) for column in (mail.c.sender, mail.c.requester))

"""The search for messages: what is wanted, and how far back the time for a page reaches.

No index finds a part of a subject without being written with each message, so a subject is looked for in the messages
themselves, newest first, a range of numbers after the other: what a page may take bounds how many are read, and the
page says how far back that was.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import contains
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.queries.senders import written_by
from redmine_mailbridge.store.tables import mail
from redmine_mailbridge.util.dataclass import dataclass

LEAST = 10_000
"""How many numbers of messages a range has at least."""
GROWTH = 4
"""How many times as many numbers as the one before it a range has at most: where many messages have been deleted, it
had few, and its speed says little of the next.
"""


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages to list; None means: any. `sender` and `subject` match substrings, case-insensitively.

    `outcomes` are the words shown to users: a state's, or "ignored" for processed messages without an issue.
    `since` and `until` refer to when a message was stored (epoch seconds), `before` continues after a page of ids.
    """

    state: State | None = None
    outcomes: Sequence[str] = ()
    mailbox: str | None = None
    sender: str | None = None
    subject: str | None = None
    issue: int | None = None
    ids: Sequence[int] | None = None
    since: float | None = None
    until: float | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Messages, newest first. `before`: older messages have not been looked at; the search continues with this as the
    filter's `before`, and `since` is when the oldest message was stored that was looked at (epoch seconds). None: all
    that fit were found, or the limit was reached.
    """

    rows: list[StoredMail]
    before: int | None = None
    since: float | None = None


def search(
    database: Database, criteria: MessageFilter, *, within: float, clock: Callable[[], float] = time.monotonic
) -> SearchResult:
    """Given a filter and seconds, return its messages as far back as that allows: at least `LEAST` numbers.

    Each range begins at a message, so that numbers of deleted ones are passed over. Its size follows from how fast the
    ones before it were, so that the whole takes about that long.
    """
    conditions = conditions_of(database, criteria)
    if criteria.subject is None or criteria.ids is not None or criteria.issue is not None or _rare(criteria):
        return SearchResult(matching(database, criteria, conditions, criteria.limit))
    if criteria.outcomes:  # the range of numbers is what bounds the work
        conditions.append(_by_no_index(sa.or_(*map(_outcome, criteria.outcomes))))
        criteria = replace(criteria, outcomes=())
    began, top, rows = clock(), _newest(database, criteria.before), list[StoredMail]()
    size, looked_at = LEAST, 0
    while top > 0:
        bottom = max(top - size, 0)
        part = [*conditions, mail.c.id > bottom, mail.c.id <= top]
        rows += matching(database, criteria, part, criteria.limit - len(rows))
        looked_at, spent = looked_at + top - bottom, clock() - began
        if len(rows) >= criteria.limit:
            return SearchResult(rows)
        top = _newest(database, bottom + 1)
        if top > 0 and spent >= within:
            return SearchResult(rows, top + 1, _stored_at(database, top + 1))
        size = max(LEAST, min(GROWTH * size, int(looked_at * (within / max(spent, 1e-6) - 1))))
    return SearchResult(rows)


def matching(
    database: Database, criteria: MessageFilter, conditions: Sequence[sa.ColumnElement[bool]], limit: int
) -> list[StoredMail]:
    """Given a filter and its conditions, return at most so many messages, newest first."""
    newest = mail.c.id.desc()
    query = sa.select(*COLUMNS).order_by(newest).limit(limit)
    if criteria.outcomes:  # each by its own index, so that rare ones are found among very many others
        by_outcome = [
            sa.select(mail.c.id).where(condition, *conditions).order_by(newest).limit(limit).subquery()
            for condition in map(_outcome, criteria.outcomes)
        ]
        query = query.where(mail.c.id.in_(sa.union_all(*(sa.select(subquery.c.id) for subquery in by_outcome))))
    else:
        query = query.where(*conditions)
    with database.read() as db:
        return [as_row(row) for row in db.execute(query)]


def _rare(criteria: MessageFilter) -> bool:
    """Has the filter only states of few messages, which their index finds?"""
    return bool(criteria.outcomes) and not {State.DONE.value, "ignored"}.intersection(criteria.outcomes)


def _newest(database: Database, before: int | None) -> int:
    """The highest number of a message below this one; 0 if there is none."""
    query = sa.select(sa.func.max(mail.c.id))
    if before is not None:
        query = query.where(mail.c.id < before)
    with database.read() as db:
        return int(db.execute(query).scalar() or 0)


def _stored_at(database: Database, number: int) -> float | None:
    """When the first message from this number on was stored."""
    query = sa.select(mail.c.kept_at).where(mail.c.id >= number).order_by(mail.c.id).limit(1)
    with database.read() as db:
        return db.execute(query).scalar()


def _outcome(word: str) -> sa.ColumnElement[bool]:
    if word == "ignored":
        return sa.and_(mail.c.state == State.DONE, mail.c.issue.is_(None))
    if word == State.DONE:
        return _by_no_index(sa.and_(mail.c.state == State.DONE, mail.c.issue.is_not(None)))
    return mail.c.state == State(word)


def _by_no_index(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Given a condition that most messages meet, return it as one that no index fits: the newest messages that meet it
    are soon found among the newest of all, while an index would have all of them sorted.
    """
    return sa.case((condition, 1), else_=0) == 1


def conditions_of(database: Database, criteria: MessageFilter) -> list[sa.ColumnElement[bool]]:
    """The conditions for a message, its outcome apart. Finds out which senders fit."""
    conditions = list(_conditions(criteria))
    if criteria.subject is not None:
        conditions.append(contains(database.engine.dialect.name, mail.c.subject, criteria.subject))
    if criteria.sender is not None:
        conditions.append(written_by(database, criteria.sender))
    return conditions


def _conditions(criteria: MessageFilter) -> Iterator[sa.ColumnElement[bool]]:
    if criteria.ids is not None:
        yield mail.c.id.in_(criteria.ids)
    if criteria.state is not None:
        yield mail.c.state == criteria.state
    if criteria.mailbox is not None:
        yield mail.c.mailbox == criteria.mailbox
    if criteria.issue is not None:
        yield mail.c.issue == criteria.issue
    if criteria.since is not None:
        yield mail.c.kept_at >= criteria.since
    if criteria.until is not None:
        yield mail.c.kept_at < criteria.until
    if criteria.before is not None:
        yield mail.c.id < criteria.before

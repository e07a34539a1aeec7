"""The issues made in Redmine, by hand or by another program, that became conversations by mail.

Each begins once: its row is unique. Its requester is whom the issue names at present; those whom it named before are
kept, since they get no more answers.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence

import sqlalchemy as sa

from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_if_missing, is_there, upsert
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.notices import NewNotice, notify
from redmine_mailbridge.store.tables import (
    begun_issue,
    begun_requester,
    cc_change,
    former_requester,
    issue,
    mail,
    manual_change,
    meta,
    participant,
)
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.fields import fields_of

_SINCE, _SINCE_COMMANDS, _WAITING, _LOOKED_AT = "begun:", "begun-commands:", "begun-waiting", "begun-looked-at"
MOST_WAITING = 10_000
"""How many issues wait for a second look at most; further ones are looked at when they change again."""


@dataclass(frozen=True, slots=True)
class BegunIssue:
    """How a conversation began in Redmine. `requester` is whom answers go to (lower case; "": the issue names none),
    `field` the value of the requester field that was last seen. Entries of its history up to the journal
    `after_journal` precede it; it began at `begun_on` (seconds since the epoch).
    """

    issue: int
    mailbox: str
    requester: str
    field: str
    after_journal: int
    begun_on: float


class BegunIssues:
    """Stores them. Safe for concurrent threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._database = database

    # ------------------------------------------------------------------ since when

    def since(self, mailbox: str, newest: Callable[[], float], *, commands: bool = False) -> tuple[float, bool]:
        """Since when issues may become conversations of a mailbox, or do so by commands (seconds since the epoch, by
        Redmine's clock), and whether that is since now: since the time of the `newest` change, if this is asked for
        the first time.
        """
        key = (_SINCE_COMMANDS if commands else _SINCE) + mailbox
        with self._database.read() as db:
            since = Meta(db).get(key)
        if since is not None:
            return float(since), False
        now = str(int(newest()))
        with side_effect(SideEffect.BEGIN_CONVERSATION), self._database.write() as db:
            return float(Meta(db).add(key, now)), True

    def disable_others(self, mailboxes: Collection[str], *, commands: bool = False) -> None:
        """Only these mailboxes are enabled, or have commands: forget since when the others were."""
        kind = _SINCE_COMMANDS if commands else _SINCE
        enabled = {kind + mailbox for mailbox in mailboxes}
        with self._database.read() as db:
            keys = db.execute(sa.select(meta.c.key).where(meta.c.key.startswith(kind, autoescape=True))).scalars()
            others = sorted(set(keys) - enabled)
        if others:
            with side_effect(SideEffect.BEGIN_CONVERSATION), self._database.write() as db:
                Meta(db).remove(*others)

    # ------------------------------------------------------------------ which issues

    def known(self, numbers: Collection[int]) -> frozenset[int]:
        """Those of these issues that are conversations."""
        columns = (mail.c.created_issue, begun_issue.c.issue)
        known: set[int] = set()
        with self._database.read() as db:
            for some in chunks(sorted(numbers)):
                for column in columns:
                    known |= set(db.execute(sa.select(column).where(column.in_(some))).scalars())
        return frozenset(known)

    def left_at(self, number: int) -> float:
        """When the message that had created an issue was last moved away from it, in seconds since the epoch; 0.0 if
        none was.
        """
        query = sa.select(sa.func.max(manual_change.c.at)).where(manual_change.c.old_issue == number)
        with self._database.read() as db:
            return float(db.execute(query.where(manual_change.c.old_created)).scalar() or 0.0)

    def looked_at(self) -> dict[int, str]:
        """The issues that were read and did not begin, the newest last, each with the state that `look_at` stored."""
        with self._database.read() as db:
            looked_at = Meta(db).get(_LOOKED_AT)
        return {int(number): state for number, state in json.loads(looked_at)} if looked_at else {}

    def look_at(self, looked_at: Mapping[int, str]) -> None:
        """These issues, and no others, were read and did not begin."""
        with side_effect(SideEffect.BEGIN_CONVERSATION), self._database.write() as db:
            Meta(db).put(_LOOKED_AT, json.dumps([*looked_at.items()]))

    def entry_requesters(self, number: int) -> dict[int, str]:
        """What entries of an issue's history say of its requester, apart from the field: the address (lower case) that
        a note named by a command, or "" where a change of the field does not count.
        """
        query = sa.select(begun_requester.c.journal, begun_requester.c.address)
        with self._database.read() as db:
            return {row.journal: row.address for row in db.execute(query.where(begun_requester.c.issue == number))}

    def waiting(self) -> list[int]:
        """The issues that must be looked at again, by number."""
        with self._database.read() as db:
            numbers = Meta(db).get(_WAITING)
        return [int(number) for number in json.loads(numbers)] if numbers else []

    def wait(self, numbers: Collection[int]) -> None:
        """These issues, and no others, must be looked at again."""
        waiting = sorted(numbers)[-MOST_WAITING:]
        if waiting == self.waiting():
            return
        with side_effect(SideEffect.BEGIN_CONVERSATION), self._database.write() as db:
            Meta(db).put(_WAITING, json.dumps(waiting))

    # ------------------------------------------------------------------ write

    def begin(self, begun: BegunIssue, *, by_note: int = 0) -> bool:
        """Make an issue a conversation in which its requester takes part. `by_note` is the note that named the
        requester by a command, if any. Return whether it was none before.
        """
        with side_effect(SideEffect.BEGIN_CONVERSATION), self._database.write() as db:
            if is_there(db, sa.select(mail.c.id).where(mail.c.created_issue == begun.issue)):
                return False
            if not insert_if_missing(db, begun_issue, fields_of(begun)):
                return False
            if by_note:
                record_entry_requester(db, begun.issue, by_note, begun.requester)
            _join(db, begun.issue, begun.requester)
            return True

    def change(
        self,
        number: int,
        requester: str,
        field: str,
        notices: Sequence[NewNotice] = (),
        *,
        refused: Collection[int] = (),
    ) -> None:
        """The requester field of an issue has changed: store its value and the requester that it names ("": none), in
        the copy of the issue too, the notices for the agents, and the entries that set it and do not count, since
        their writers may not. Who was the requester gets no more answers.
        """
        with side_effect(SideEffect.BEGIN_CONVERSATION), self._database.write() as db:
            db.execute(sa.update(begun_issue).where(begun_issue.c.issue == number).values(field=field))
            set_begun_requester(db, number, requester, self.clock())
            _refuse(db, number, refused)
            notify(db, number, None, notices, self.clock())

    def refuse(self, number: int, field: str, refused: Collection[int]) -> None:
        """The requester field of an issue has a new value that does not count, since whoever set it may not: store the
        value, and the entries that set it, as far as they are known.
        """
        with side_effect(SideEffect.BEGIN_CONVERSATION), self._database.write() as db:
            db.execute(sa.update(begun_issue).where(begun_issue.c.issue == number).values(field=field))
            _refuse(db, number, refused)


def record_entry_requester(db: sa.Connection, number: int, entry: int, address: str) -> None:
    """Given an open transaction, an issue and an entry of it, store what `BegunIssues.entry_requesters` returns."""
    upsert(db, begun_requester, {"issue": number, "journal": entry, "address": address})


def set_begun_requester(db: sa.Connection, number: int, requester: str, now: float) -> None:
    """Given an open transaction, an issue whose conversation began in Redmine, an address (lower case; "": none) and
    the time, make that the requester, in the copy of the issue too. Who was the requester gets no more answers, also
    not in Cc because of a former `/cc`.
    """
    of_issue = begun_issue.c.issue == number
    before = str(db.execute(sa.select(begun_issue.c.requester).where(of_issue)).scalar() or "")
    db.execute(sa.update(begun_issue).where(of_issue).values(requester=requester))
    if before not in {"", requester}:
        insert_if_missing(db, former_requester, {"issue": number, "address": before, "at": now})
        named = sa.and_(cc_change.c.issue == number, cc_change.c.address == comparable(before))
        db.execute(sa.delete(cc_change).where(named, cc_change.c.copied))
    if requester:
        again = sa.and_(former_requester.c.issue == number, former_requester.c.address == requester)
        db.execute(sa.delete(former_requester).where(again))
        _join(db, number, requester)
    copied = {"requester": requester, "requester_name": "", "domain": requester.rpartition("@")[2]}
    no_mail = sa.and_(issue.c.id == number, issue.c.mail_id.is_(None))
    db.execute(sa.update(issue).where(no_mail).values(**copied, settled=False))


def begun_among(db: sa.Connection, numbers: Collection[int]) -> list[BegunIssue]:
    """Given numbers of issues, return how those began that began in Redmine."""
    query = sa.select(begun_issue)
    several = chunks(sorted(set(numbers)))
    return [
        BegunIssue(**row._mapping) for some in several for row in db.execute(query.where(begun_issue.c.issue.in_(some)))
    ]


def begun_unread(db: sa.Connection, *, after: int, limit: int | None) -> list[BegunIssue]:
    """Those whose issues have never been read, by issue: those after this number, at most `limit`."""
    is_read = sa.exists().where(issue.c.id == begun_issue.c.issue)
    has_mail = sa.exists().where(mail.c.created_issue == begun_issue.c.issue)
    query = sa.select(begun_issue).where(begun_issue.c.issue > after, ~is_read, ~has_mail)
    return [BegunIssue(**row._mapping) for row in db.execute(query.order_by(begun_issue.c.issue).limit(limit))]


def _refuse(db: sa.Connection, number: int, refused: Collection[int]) -> None:
    """Have changes of the requester field of an issue not count."""
    for entry in refused:
        record_entry_requester(db, number, entry, "")


def _join(db: sa.Connection, number: int, address: str) -> None:
    """Have an address take part in an issue."""
    insert_if_missing(db, participant, {"issue": number, "address": address})

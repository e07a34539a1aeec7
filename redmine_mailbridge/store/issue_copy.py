"""The local copy of Redmine's issues that are conversations by mail, to avoid repeated queries.

Tables `issue` and `journal` are a copy: Redmine is right wherever the two differ, and
`tasks/update/issue_sync.py` keeps the copy current. Note texts are not stored; they are read from Redmine.

An issue is a conversation if a message created it, or if it began in Redmine (begun_issues.py); a message has priority.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.model.authorship import Side
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.begun_issues import BegunIssue, begun_among, begun_unread
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.mails.steps import write_step_once
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.tables import issue, journal, mail
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.fields import fields_of


@dataclass(frozen=True, slots=True)
class IssueRow:
    """An issue that is a conversation, as Redmine returned it at `seen_at`. Times in seconds since the epoch, UTC.

    `mailbox` and `mail_id` are those of the message that created it, `requester` the sender's address (lower case)
    and `domain` the part after its @. `mail_id` is None if the conversation began in Redmine, at `begun_on`;
    `requester` is then "" while the issue names none. `project` is the identifier. `settled`: nothing can have changed
    in the second `updated_on` after the read. `gone`: Redmine no longer returns it.
    """

    id: int
    mailbox: str
    mail_id: int | None
    requester: str
    requester_name: str
    domain: str
    project_id: int
    project: str
    project_name: str
    project_public: bool
    tracker: str
    status: str
    closed: bool
    priority: str
    assignee_id: int | None
    assignee: str | None
    author_id: int | None
    subject: str
    private: bool
    created_on: float
    updated_on: float
    closed_on: float | None
    seen_at: float
    settled: bool = True
    gone: bool = False
    begun_on: float | None = None

    @property
    def since(self) -> float:
        """When the conversation began: when the issue was created, unless it became one later."""
        return self.created_on if self.begun_on is None else self.begun_on


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One entry of an issue's history. `at` in seconds since the epoch, UTC.

    `side` is its author's side (see `model.authorship`). `status_from` and `status_to` are names, None if the status
    did not change. `mail_id` is the message that created it, None if it was written in Redmine.
    `to_third_party`: its note begins with the command for mail to third parties.
    """

    id: int
    issue: int
    at: float
    user_id: int
    user_name: str
    side: Side
    has_notes: bool
    private: bool
    status_from: str | None = None
    status_to: str | None = None
    mail_id: int | None = None
    to_third_party: bool = False


@dataclass(frozen=True, slots=True)
class UnsettledIssue:
    """An issue whose copy may not be current. `new`: unchanged since its creation, without history."""

    id: int
    seen_at: float
    new: bool


@dataclass(frozen=True, slots=True)
class IssueOrigin:
    """What made an issue a conversation: the message that created it (`mail_id`), or how it began in Redmine
    (`begun`). `sender` is the requester, `request` is the executed intent, in JSON.
    """

    issue: int
    mail_id: int | None
    mailbox: str
    sender: str
    request: str | None
    begun: BegunIssue | None = None


@dataclass(frozen=True, slots=True)
class JournalMail:
    """A message that became a note: its number and the address on whose behalf it was handled (lower case).
    `neutral`: it is an auto-reply, a delivery report, or from a third party, and counts for neither side.
    """

    mail_id: int
    sender: str
    neutral: bool = False


WHOSE = sa.func.coalesce(mail.c.requester, mail.c.sender)
"""The address on whose behalf a message was handled."""


def is_neutral(request: str | None) -> bool:
    """Given a message's stored intent, return whether it counts for neither side: the sender is a machine, or a third
    party.
    """
    intent = json.loads(request) if request else {}
    return bool(intent.get("machine") or intent.get("third_party"))


class IssueCopy:
    """The copy. Thread-safe; every method raises StoreError if the database fails."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._database = database

    # ------------------------------------------------------------------ read

    def get(self, number: int) -> IssueRow | None:
        """Given an issue's number, return its row; None if it is not a conversation or has not been read."""
        return next(iter(self.issues([number], gone=None)), None)

    def issues(
        self,
        ids: Collection[int] | None = None,
        *,
        closed: bool | None = None,
        gone: bool | None = False,
        seen_since: float | None = None,
        settled: bool | None = None,
    ) -> list[IssueRow]:
        """The matching issues, by number; None means: any. `seen_since`: those read since then."""
        query = sa.select(issue)
        if closed is not None:
            query = query.where(issue.c.closed == closed)
        if gone is not None:
            query = query.where(issue.c.gone == gone)
        if seen_since is not None:
            query = query.where(issue.c.seen_at >= seen_since)
        if settled is not None:
            query = query.where(issue.c.settled == settled)
        return [IssueRow(**row) for row in self._by(query, issue.c.id, ids, issue.c.id)]

    def journals(self, issues: Collection[int] | None = None) -> list[JournalRow]:
        """The histories of these issues (None: of all), by issue, in chronological order."""
        query = sa.select(journal)
        return [JournalRow(**row) for row in self._by(query, journal.c.issue, issues, journal.c.issue, journal.c.id)]

    def _by(
        self, query: sa.Select[Any], column: sa.Column[Any], ids: Collection[int] | None, *order: sa.Column[Any]
    ) -> list[Any]:
        query = query.order_by(*order)
        with self._database.read() as db:
            if ids is None:
                return [row._mapping for row in db.execute(query)]
            several = chunks(sorted(set(ids)))
            return [row._mapping for some in several for row in db.execute(query.where(column.in_(some)))]

    def origins(self, issues: Collection[int]) -> dict[int, IssueOrigin]:
        """Given numbers of issues, return what made each a conversation, for those that are."""
        with self._database.read() as db:
            begun = [_began(row) for row in begun_among(db, issues)]
        by_mail = [IssueOrigin(**row) for row in self._by(_ORIGIN, mail.c.created_issue, issues, mail.c.id)]
        return {origin.issue: origin for origin in (*begun, *by_mail)}

    def unsettled(self) -> Iterator[UnsettledIssue]:
        """The issues that may have changed in the second `updated_on` after the read, by number; each as it is read
        from the database: after a day's work of one pass, they are many.
        """
        new = sa.and_(~issue.c.gone, issue.c.updated_on == issue.c.created_on, ~sa.exists().where(_OF_ISSUE))
        query = sa.select(issue.c.id, issue.c.seen_at, new.label("new")).where(issue.c.settled.is_(False))
        with self._database.read() as db:
            for row in db.execute(query.order_by(issue.c.id)):
                yield UnsettledIssue(row.id, row.seen_at, bool(row.new))

    def missing(self, *, after: int = 0, limit: int | None = None) -> list[IssueOrigin]:
        """The conversations whose issues have never been read, by issue: those after this number, at most `limit`."""
        known = sa.exists().where(issue.c.id == mail.c.created_issue)
        query = _ORIGIN.where(mail.c.created_issue > after, ~known).order_by(mail.c.created_issue).limit(limit)
        with self._database.read() as db:
            origins = [IssueOrigin(*row) for row in db.execute(query)]
            origins += [_began(row) for row in begun_unread(db, after=after, limit=limit)]
        return sorted(origins, key=lambda origin: origin.issue)[:limit]

    def mails_of(self, journals: Collection[int]) -> dict[int, JournalMail]:
        """Given ids of journals, return the message that created each, for those created from mail."""
        query = sa.select(mail.c.journal, mail.c.id, WHOSE.label("sender"), mail.c.request)
        rows = self._by(query, mail.c.journal, journals, mail.c.journal)
        return {row["journal"]: JournalMail(row["id"], row["sender"] or "", is_neutral(row["request"])) for row in rows}

    def unclaimed(self) -> list[int]:
        """The issues whose history contains a note from a message that the store has known only since."""
        query = sa.select(journal.c.issue).join(mail, mail.c.journal == journal.c.id)
        with self._database.read() as db:
            return list(db.execute(query.where(journal.c.mail_id.is_(None)).distinct()).scalars())

    def state(self, key: str) -> str | None:
        """A value that a task stores between its runs (how far it has read); None if never."""
        with self._database.read() as db:
            return Meta(db).get(key)

    # ------------------------------------------------------------------ write

    def save(self, row: IssueRow, journals: Sequence[JournalRow]) -> None:
        """Given an issue with its whole history, replace the stored copy of it."""
        self.save_all([(row, journals)])

    def save_all(self, several: Sequence[tuple[IssueRow, Sequence[JournalRow]]]) -> None:
        """Given issues with their whole histories, replace the stored copies, some hundred at a time."""
        for some in chunks(several):
            with side_effect(SideEffect.MIRROR), self._database.write() as db:
                upsert(db, issue, [fields_of(row) for row, _ in some])
                self._save_journals(
                    db, [row.id for row, _ in some], [entry for _, journals in some for entry in journals]
                )

    def settle(self, numbers: Collection[int]) -> None:
        """The stored copies of these issues are confirmed to be current."""
        for some in chunks(sorted(numbers)):
            with side_effect(SideEffect.MIRROR), self._database.write() as db:
                db.execute(sa.update(issue).where(issue.c.id.in_(some)).values(settled=True))

    def save_journals(self, number: int, journals: Sequence[JournalRow]) -> None:
        """Given the whole history of an issue, replace the stored history."""
        with side_effect(SideEffect.MIRROR), self._database.write() as db:
            self._save_journals(db, [number], journals)

    def _save_journals(self, db: sa.Connection, numbers: Sequence[int], journals: Iterable[JournalRow]) -> None:
        db.execute(sa.delete(journal).where(journal.c.issue.in_(numbers)))
        rows = [fields_of(entry) for entry in journals]
        if rows:
            db.execute(sa.delete(journal).where(journal.c.id.in_([row["id"] for row in rows])))
            db.execute(sa.insert(journal), rows)

    def gone(self, number: int) -> None:
        """Redmine no longer returns this issue."""
        with side_effect(SideEffect.MIRROR), self._database.write() as db:
            db.execute(
                sa.update(issue).where(issue.c.id == number).values(gone=True, settled=True, seen_at=self.clock())
            )

    def unsettle(self, number: int) -> None:
        """The copy of this issue may be stale: read it again."""
        with side_effect(SideEffect.MIRROR), self._database.write() as db:
            db.execute(sa.update(issue).where(issue.c.id == number).values(settled=False))

    def record(self, number: int, line: str) -> None:
        """Add a line to the history of the message that created this issue, unless it is already there."""
        with side_effect(SideEffect.RECORD_STEP), self._database.write() as db:
            mail_id = db.execute(sa.select(mail.c.id).where(mail.c.created_issue == number)).scalar()
            write_step_once(db, mail_id, line, self.clock())

    def keep_state(self, key: str, value: str) -> None:
        """Store a task's own value."""
        with side_effect(SideEffect.MIRROR), self._database.write() as db:
            Meta(db).put(key, value)


def _began(begun: BegunIssue) -> IssueOrigin:
    return IssueOrigin(begun.issue, None, begun.mailbox, begun.requester, None, begun)


_OF_ISSUE = journal.c.issue == issue.c.id
_ORIGIN = sa.select(
    mail.c.created_issue.label("issue"),
    mail.c.id.label("mail_id"),
    mail.c.mailbox,
    sa.func.coalesce(WHOSE, "").label("sender"),
    mail.c.request,
)

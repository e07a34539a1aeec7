"""What we remember of Redmine's issues that came by mail, so that nobody asks for all of them again and again.

Tables `issue` and `journal` are a copy: Redmine is right wherever the two differ, and
`tasks/update/issue_sync.py` brings the copy up to date. Note texts are not kept; who needs one asks Redmine.
"""

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.model.authorship import Side
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.mails.steps import write_step_once
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.tables import issue, journal, mail


@dataclass(frozen=True, slots=True)
class IssueRow:
    """An issue that a mail made, as Redmine showed it at `seen_at`. Times in seconds since the epoch, UTC.

    `mailbox` and `mail_id` are those of the mail that made it, `requester` the address (lower case) of who wrote it
    and `domain` what stands behind its @. `project` is the identifier. `settled`: nothing can have changed any more
    in the second `updated_on` after we looked. `gone`: Redmine does not show it to us any more.
    """

    id: int
    mailbox: str
    mail_id: int
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


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One entry of an issue's history. `at` in seconds since the epoch, UTC.

    `side` says whose it is (see `model.authorship`). `status_from` and `status_to` are names, None when the status
    stayed. `mail_id` is the mail that made it, None when it was written in Redmine.
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


@dataclass(frozen=True, slots=True)
class Origin:
    """The mail that made an issue. `request` is the job as it was carried out, in JSON."""

    issue: int
    mail_id: int
    mailbox: str
    sender: str
    request: str | None


@dataclass(frozen=True, slots=True)
class JournalMail:
    """A mail that made a note: its number and its sender's address (lower case). `machine`: it is an automatic reply
    or a delivery report.
    """

    mail_id: int
    sender: str
    machine: bool = False


def by_machine(request: str | None) -> bool:
    """Given what was written for a mail, as the store keeps it, return whether a machine wrote the mail."""
    return bool(request and json.loads(request).get("machine"))


class Issues:
    """The copy. Safe for many threads; every method raises StoreError when the database will not."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._database = database

    # ------------------------------------------------------------------ read

    def get(self, number: int) -> IssueRow | None:
        """Given an issue's number, return its row; None when it did not come by mail or was not read yet."""
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
        """The issues that fit, by number; None means: any. `seen_since`: those read anew since then."""
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
        """The histories of these issues (None: of all), by issue, then in the order in which they were written."""
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

    def origins(self, issues: Collection[int]) -> dict[int, Origin]:
        """Given numbers of issues, return the mail that made each, for those that came by mail."""
        return {one.issue: one for one in self._origins(mail.c.created_issue, issues)}

    def missing(self) -> list[Origin]:
        """The mails whose issues were never read."""
        known = sa.exists().where(issue.c.id == mail.c.created_issue)
        query = _ORIGIN.where(mail.c.created_issue.is_not(None), ~known).order_by(mail.c.created_issue)
        with self._database.read() as db:
            return [Origin(*row) for row in db.execute(query)]

    def _origins(self, column: sa.Column[Any], ids: Collection[int]) -> list[Origin]:
        return [Origin(**row) for row in self._by(_ORIGIN, column, ids, mail.c.id)]

    def mails_of(self, journals: Collection[int]) -> dict[int, JournalMail]:
        """Given ids of journals, return the mail that made each, for those that mails made."""
        query = sa.select(mail.c.journal, mail.c.id, mail.c.sender, mail.c.request)
        rows = self._by(query, mail.c.journal, journals, mail.c.journal)
        return {row["journal"]: JournalMail(row["id"], row["sender"] or "", by_machine(row["request"])) for row in rows}

    def unclaimed(self) -> list[int]:
        """The issues in whose history stands a note that a mail has made, as the store knows only since."""
        query = sa.select(journal.c.issue).join(mail, mail.c.journal == journal.c.id)
        with self._database.read() as db:
            return list(db.execute(query.where(journal.c.mail_id.is_(None)).distinct()).scalars())

    def state(self, key: str) -> str | None:
        """A value that a task keeps between its runs (how far it has read); None when never."""
        with self._database.read() as db:
            return Meta(db).get(key)

    # ------------------------------------------------------------------ write

    def save(self, row: IssueRow, journals: Sequence[JournalRow]) -> None:
        """Given an issue with its whole history, put both in the place of what was known of it."""
        with effect(Effect.MIRROR), self._database.write() as db:
            upsert(db, issue, asdict(row))
            self._save_journals(db, row.id, journals)

    def save_journals(self, number: int, journals: Sequence[JournalRow]) -> None:
        """Given the whole history of an issue, put it in the place of what was known."""
        with effect(Effect.MIRROR), self._database.write() as db:
            self._save_journals(db, number, journals)

    def _save_journals(self, db: sa.Connection, number: int, journals: Iterable[JournalRow]) -> None:
        db.execute(sa.delete(journal).where(journal.c.issue == number))
        rows = [asdict(one) for one in journals]
        if rows:
            db.execute(sa.delete(journal).where(journal.c.id.in_([one["id"] for one in rows])))
            db.execute(sa.insert(journal), rows)

    def gone(self, number: int) -> None:
        """Redmine does not show this issue to us any more."""
        with effect(Effect.MIRROR), self._database.write() as db:
            db.execute(
                sa.update(issue).where(issue.c.id == number).values(gone=True, settled=True, seen_at=self.clock())
            )

    def unsettle(self, number: int) -> None:
        """What we know of this issue may be old: read it again."""
        with effect(Effect.MIRROR), self._database.write() as db:
            db.execute(sa.update(issue).where(issue.c.id == number).values(settled=False))

    def record(self, number: int, line: str) -> None:
        """Put a line on the record of the mail that made this issue, unless it stands there already."""
        with effect(Effect.RECORD_STEP), self._database.write() as db:
            mail_id = db.execute(sa.select(mail.c.id).where(mail.c.created_issue == number)).scalar()
            write_step_once(db, mail_id, line, self.clock())

    def keep_state(self, key: str, value: str) -> None:
        """Keep a task's own value."""
        with effect(Effect.MIRROR), self._database.write() as db:
            Meta(db).put(key, value)


_ORIGIN = sa.select(
    mail.c.created_issue.label("issue"),
    mail.c.id.label("mail_id"),
    mail.c.mailbox,
    sa.func.coalesce(mail.c.sender, "").label("sender"),
    mail.c.request,
)

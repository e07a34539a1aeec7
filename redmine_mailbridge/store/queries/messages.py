"""Questions to the store: what is known of a Message-ID, who takes part in an issue, what became of each mail."""

import json
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.model.mail_state import OPEN, State
from redmine_mailbridge.model.stored_mail import MailRow, Step
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.due import UNTIL_FIT, mail_due_at, within
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.tables import applied, mail, outbox, participant, step

FETCHED_WITHIN = 3600.0
"""Seconds for which others wait for a mail that the server does not hand out."""


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which mails to list; None means: any. `sender` and `subject` are searched within, without regard to case.

    `outcomes` are the words that people see: a state's, or "ignored" for what is done without an issue.
    `since` and `until` speak of when a mail was kept (epoch seconds), `before` goes on behind a page of ids.
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


class Archive:
    """Reads what the store holds; changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by_message_id(self, message_ids: Iterable[str]) -> dict[str, MailRow]:
        """Given Message-IDs, return the first mail that carried each and led to an issue, rather one whose sender was
        proven: anybody may bear an id that has been seen.
        """
        wanted = list(message_ids)
        if not wanted:
            return {}
        query = sa.select(*COLUMNS).where(mail.c.message_id.in_(wanted), mail.c.issue.is_not(None))
        with self._database.read() as db:
            worst_first = (sa.func.coalesce(mail.c.proof, 1), mail.c.id.desc())
            rows = [as_row(row) for row in db.execute(query.order_by(*worst_first))]
        return {row.message_id: row for row in rows if row.message_id}

    def sent_by_us(self, message_ids: Iterable[str]) -> dict[str, tuple[int, frozenset[str]]]:
        """Given Message-IDs, return of those of mails that we sent about an issue that issue, and who may know the id:
        all (lower case) whom it was sent to, and whom any other mail of that conversation, which refers to it, was, by
        us or by who answered; our own addresses among them.
        """
        wanted = list(message_ids)
        if not wanted:
            return {}
        query = sa.select(outbox.c.message_id, outbox.c.issue, outbox.c.recipient)
        query = query.where(outbox.c.message_id.in_(wanted), outbox.c.issue.is_not(None))
        found: dict[str, tuple[int, frozenset[str]]] = {}
        with self._database.read() as db:
            for row in db.execute(query.order_by(outbox.c.id)):
                issue, known = found.get(row.message_id, (row.issue, frozenset()))
                found[row.message_id] = issue, known | {row.recipient}
            others = self._sent_to(db, {issue for issue, _ in found.values()})
            others = {issue: people | self._shown_by(db, issue, people) for issue, people in others.items()}
        return {key: (issue, known | others[issue]) for key, (issue, known) in found.items()}

    @staticmethod
    def _sent_to(db: sa.Connection, issues: Collection[int]) -> dict[int, set[str]]:
        """Given issues, return whom mails of their conversations were sent to; an escalation is the team's."""
        found: dict[int, set[str]] = {issue: set() for issue in issues}
        query = sa.select(outbox.c.issue, outbox.c.recipient).where(outbox.c.issue.in_(issues))
        for row in db.execute(query.where(outbox.c.kind != "escalation").distinct()):
            found[row.issue].add(row.recipient)
        return found

    @staticmethod
    def _shown_by(db: sa.Connection, issue: int, people: Collection[str]) -> set[str]:
        """Given an issue and whom mail about it was sent to, return to whom they sent their answers, in To and Cc: an
        answer bears the id of what it answers. What nothing proved to be theirs shows nobody anything.
        """
        query = sa.select(mail.c.sender, mail.c.request).where(
            mail.c.issue == issue, mail.c.journal.is_not(None), mail.c.request.is_not(None)
        )
        theirs = [row for row in db.execute(query) if not spellings(row.sender or "").isdisjoint(people)]
        jobs = [json.loads(row.request) for row in theirs]
        return {str(address) for job in jobs if job.get("proven") for address in job.get("named", ())}

    def open_before(
        self, row: MailRow, message_ids: Collection[str], *, same: tuple[str, str, float] | None = None
    ) -> MailRow | None:
        """Given a mail and the Message-IDs that it refers to, return an earlier mail that must come to its end first.

        That is one of those that is still open; while an earlier mail of the mailbox has not been read yet, that
        one, as it may be among them (one that could not be read holds nobody up, one that could not be fetched an
        hour at most). `same` names sender, subject and a time: an open mail of both since then counts too. Only
        earlier mails are waited for, so that nothing waits in a circle.
        """
        has_come = sa.or_(mail.c.raw.is_not(None), within(mail.c.kept_at, time.time(), FETCHED_WITHIN))
        there = sa.and_(mail.c.mailbox == row.location.mailbox, has_come)
        unread = sa.and_(mail.c.message_id.is_(None), mail.c.tries == 0, there)
        meant = [mail.c.message_id.in_(message_ids), unread]
        if same is not None:
            sender, subject, since = same
            meant.append(sa.and_(mail.c.sender == sender, mail.c.subject == subject, mail.c.kept_at >= since))
        query = sa.select(*COLUMNS).where(mail.c.id < row.id, mail.c.state.in_(OPEN), sa.or_(*meant))
        with self._database.read() as db:
            found = db.execute(query.order_by(mail.c.next_try_at.desc()).limit(1)).first()
        return as_row(found) if found else None

    def participants(self, issues: Collection[int]) -> dict[int, frozenset[str]]:
        """Given issues, return the addresses (lower case) that took part in each by mail."""
        if not issues:
            return {}
        query = sa.select(participant.c.issue, participant.c.address).where(participant.c.issue.in_(issues))
        found: dict[int, set[str]] = {issue: set() for issue in issues}
        with self._database.read() as db:
            for row in db.execute(query):
                found[row.issue].add(row.address)
        return {issue: frozenset(addresses) for issue, addresses in found.items()}

    def mailboxes(self, issues: Collection[int]) -> dict[int, str]:
        """Given issues, return the name of the mailbox whose mail made each, where one did."""
        query = sa.select(mail.c.created_issue, mail.c.mailbox).where(mail.c.created_issue.in_(set(issues)))
        with self._database.read() as db:
            return {row.created_issue: row.mailbox for row in db.execute(query)} if issues else {}

    def state(self, mail_id: int) -> State:
        """Where a mail stands now."""
        with self._database.read() as db:
            return State(db.execute(sa.select(mail.c.state).where(mail.c.id == mail_id)).scalar_one())

    def claimed_issue(self, issue: int) -> bool:
        """Was this issue made by a mail that we know of?"""
        return self._exists(mail.c.created_issue == issue)

    def another_writes(self, row: MailRow) -> bool:
        """Is there another mail with this one's Message-ID of which is not known yet what it has made?"""
        same = sa.and_(mail.c.message_id == row.message_id, mail.c.id != row.id, mail.c.state == State.WRITING)
        return row.message_id is not None and self._exists(same)

    def newest_claimed(self) -> int:
        """The highest number of an issue that a mail that we know of has made; 0 when there is none."""
        with self._database.read() as db:
            return int(db.execute(sa.select(sa.func.max(mail.c.created_issue))).scalar() or 0)

    def newest_notes(self, issues: Collection[int]) -> dict[int, int]:
        """Given issues, return the newest note of each that a mail that we know of has made."""
        query = sa.select(mail.c.issue, sa.func.max(mail.c.journal)).where(
            mail.c.issue.in_(issues), mail.c.journal.is_not(None)
        )
        with self._database.read() as db:
            return {issue: int(newest) for issue, newest in db.execute(query.group_by(mail.c.issue))}

    def claimed_journal(self, journal: int, issue: int) -> bool:
        """Was this note of an issue made by a mail that we know of, or by a rule of time?"""
        return any(self._exists(sa.and_(of.c.journal == journal, of.c.issue == issue)) for of in (mail, applied))

    def issues_of(self, journals: Iterable[int]) -> dict[int, int]:
        """Given numbers of notes, return the issues of those that mails of ours made."""
        query = sa.select(mail.c.journal, mail.c.issue).where(mail.c.journal.in_(set(journals)))
        with self._database.read() as db:
            return {row.journal: row.issue for row in db.execute(query) if row.issue is not None}

    def _exists(self, condition: sa.ColumnElement[bool]) -> bool:
        with self._database.read() as db:
            return db.execute(sa.select(sa.literal(1)).where(condition).limit(1)).first() is not None

    def same_subject(self, sender: str, subject: str, *, since: float, until: float) -> MailRow | None:
        """The newest mail of this sender and subject that came between these times and led to an issue."""
        came = sa.func.coalesce(mail.c.received_at, mail.c.kept_at)
        query = sa.select(*COLUMNS).where(
            mail.c.sender == sender,
            mail.c.subject == subject,
            mail.c.kept_at >= since,
            came.between(since, until),
            mail.c.issue.is_not(None),
        )
        with self._database.read() as db:
            row = db.execute(query.order_by(mail.c.id.desc()).limit(1)).first()
        return as_row(row) if row else None

    def messages(self, wanted: MessageFilter) -> list[MailRow]:
        """The mails that fit, newest first."""
        newest = mail.c.id.desc()
        query = sa.select(*COLUMNS).order_by(newest).limit(wanted.limit)
        conditions = list(_conditions(wanted))
        if wanted.outcomes:  # each by its own index, so that rare ones are found among very many others
            found = [
                sa.select(mail.c.id).where(condition, *conditions).order_by(newest).limit(wanted.limit).subquery()
                for condition in map(_outcome, wanted.outcomes)
            ]
            query = query.where(mail.c.id.in_(sa.union_all(*(sa.select(one.c.id) for one in found))))
        else:
            query = query.where(*conditions)
        with self._database.read() as db:
            return [as_row(row) for row in db.execute(query)]

    def steps(self, mail_id: int) -> list[Step]:
        """The human lines about a mail, in order."""
        query = sa.select(step.c.at, step.c.line).where(step.c.mail_id == mail_id).order_by(step.c.id)
        with self._database.read() as db:
            return [Step(row.at, row.line) for row in db.execute(query)]

    def answers(self) -> bool:
        """Is there a mail? Costs nothing, however many there are. Raise StoreError when the store does not answer."""
        return self._exists(mail.c.id > 0)

    def wrote_since(self, moment: float, now: float) -> bool:
        """Has Redmine taken a mail since then, as the newest issue or the newest note? Times in seconds since the
        epoch; one that lies in the future is from before the clock was set back, and does not count.
        """
        made = (mail.c.created_issue, mail.c.journal)
        newest = sa.or_(*(one == sa.select(sa.func.max(one)).scalar_subquery() for one in made))
        return self._exists(sa.and_(newest, mail.c.changed_at > moment, mail.c.changed_at <= now))

    def next_due(
        self, mailboxes: Collection[str], now: float | None = None, *, others: Collection[str] = ()
    ) -> float | None:
        """When the next open mail of these mailboxes wants its next try (seconds since the epoch; past: it is due);
        None when none waits for a time. Of `others` those count whose bytes are here: nobody can fetch them. `now` is
        the time, None: the machine's.
        """
        now = time.time() if now is None else now
        theirs = sa.and_(mail.c.mailbox.in_(others), mail.c.raw.is_not(None))
        query = sa.select(sa.func.min(mail_due_at(now))).where(
            sa.or_(mail.c.mailbox.in_(mailboxes), theirs),
            mail.c.state.in_(OPEN),
            mail.c.next_try_at < UNTIL_FIT,
        )
        with self._database.read() as db:
            value = db.execute(query).scalar()
        return None if value is None else float(value)


def _outcome(word: str) -> sa.ColumnElement[bool]:
    if word == "ignored":
        return sa.and_(mail.c.state == State.DONE, mail.c.issue.is_(None))
    if word == State.DONE:
        return sa.and_(mail.c.state == State.DONE, mail.c.issue.is_not(None))
    return mail.c.state == State(word)


def _conditions(wanted: MessageFilter) -> Iterator[sa.ColumnElement[bool]]:
    """What a mail must fulfil, its outcome apart."""
    if wanted.ids is not None:
        yield mail.c.id.in_(wanted.ids)
    if wanted.state is not None:
        yield mail.c.state == wanted.state
    if wanted.mailbox is not None:
        yield mail.c.mailbox == wanted.mailbox
    if wanted.sender is not None:
        yield mail.c.sender.icontains(wanted.sender, autoescape=True)
    if wanted.subject is not None:
        yield mail.c.subject.icontains(wanted.subject, autoescape=True)
    if wanted.issue is not None:
        yield mail.c.issue == wanted.issue
    if wanted.since is not None:
        yield mail.c.kept_at >= wanted.since
    if wanted.until is not None:
        yield mail.c.kept_at < wanted.until
    if wanted.before is not None:
        yield mail.c.id < wanted.before

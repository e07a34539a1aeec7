"""Queries: what is known of a Message-ID, who participates in an issue, the state of each message."""

import json
import time
from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.mail.message_ids import APART, THIRD_PARTY
from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.model.mail_state import OPEN, State
from redmine_mailbridge.model.stored_mail import HistoryLine, StoredMail
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.due import UNTIL_FIT, mail_due_at, within
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.outgoing.rows import DISCARDED, FAILED
from redmine_mailbridge.store.queries.search import MessageFilter, SearchResult, conditions_of, matching, search
from redmine_mailbridge.store.queries.third_parties import third_parties
from redmine_mailbridge.store.tables import applied, begun_issue, mail, outbox, participant, step

__all__ = ["MessageFilter", "MessageQueries"]
FETCHED_WITHIN = 3600.0
"""Seconds for which others wait for a message that the server does not return."""


class MessageQueries:
    """Reads the store; read-only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by_message_id(self, message_ids: Iterable[str]) -> dict[str, StoredMail]:
        """Given Message-IDs, return the first message that has each and became an issue or a note, preferably one whose
        sender was proven: anyone may reuse an id that they have seen.
        """
        ids = list(message_ids)
        if not ids:
            return {}
        query = sa.select(*COLUMNS).where(mail.c.message_id.in_(ids), mail.c.issue.is_not(None))
        with self._database.read() as db:
            worst_first = (sa.func.coalesce(mail.c.proof, 1), mail.c.id.desc())
            rows = [as_row(row) for row in db.execute(query.order_by(*worst_first))]
        return {row.message_id: row for row in rows if row.message_id}

    def sent_by_us(self, message_ids: Iterable[str]) -> dict[str, tuple[int, frozenset[str]]]:
        """Given Message-IDs, return for those of messages sent about an issue that issue, and who may know the id:
        all recipients (lower case) of it and of any other message of that conversation, which refers to it, sent by
        the bridge or by a participant; the bridge's own addresses included.
        """
        ids = list(message_ids)
        if not ids:
            return {}
        query = sa.select(outbox.c.message_id, outbox.c.issue, outbox.c.recipient)
        query = query.where(outbox.c.message_id.in_(ids), outbox.c.issue.is_not(None))
        conversations: dict[str, tuple[int, frozenset[str]]] = {}
        with self._database.read() as db:
            for row in db.execute(query.order_by(outbox.c.id)):
                issue, known = conversations.get(row.message_id, (row.issue, frozenset()))
                conversations[row.message_id] = issue, known | {row.recipient}
            others = self._sent_to(db, {issue for issue, _ in conversations.values()})
            others = {issue: people | self._shown_by(db, issue, people) for issue, people in others.items()}
        return {key: (issue, known | others[issue]) for key, (issue, known) in conversations.items()}

    @staticmethod
    def _sent_to(db: sa.Connection, issues: Collection[int]) -> dict[int, set[str]]:
        """Given issues, return the recipients of their conversations' messages: not of what goes to the team, or to
        third parties.
        """
        recipients: dict[int, set[str]] = {issue: set() for issue in issues}
        query = sa.select(outbox.c.issue, outbox.c.recipient).where(outbox.c.issue.in_(issues))
        for row in db.execute(query.where(outbox.c.kind.not_in(APART)).distinct()):
            recipients[row.issue].add(row.recipient)
        return recipients

    @staticmethod
    def _shown_by(db: sa.Connection, issue: int, people: Collection[str]) -> set[str]:
        """Given an issue and the recipients of messages about it, return to whom they sent their replies, in To and Cc:
        a reply has the id of what it answers. Replies without a proven sender are ignored.
        """
        query = sa.select(mail.c.sender, mail.c.request).where(
            mail.c.issue == issue, mail.c.journal.is_not(None), mail.c.request.is_not(None)
        )
        theirs = [row for row in db.execute(query) if not spellings(row.sender or "").isdisjoint(people)]
        intents = [json.loads(row.request) for row in theirs]
        return {str(address) for intent in intents if intent.get("proven") for address in intent.get("named", ())}

    def open_before(
        self, row: StoredMail, message_ids: Collection[str], *, same: tuple[str, str, float] | None = None
    ) -> StoredMail | None:
        """Given a message and the Message-IDs that it refers to, return an earlier message that must be closed first.

        That is one of those that is still open; while an earlier message of the mailbox has not been read yet, that
        one, since it may be among them (one that could not be read delays no other, one that could not be fetched an
        hour at most). `same` names sender, subject and a time: an open message of both since then counts too. Only
        earlier messages are waited for, so that no cycle is possible.
        """
        has_come = sa.or_(mail.c.raw.is_not(None), within(mail.c.kept_at, time.time(), FETCHED_WITHIN))
        present = sa.and_(mail.c.mailbox == row.location.mailbox, has_come)
        unread = sa.and_(mail.c.message_id.is_(None), mail.c.tries == 0, present)
        meant = [mail.c.message_id.in_(message_ids), unread]
        if same is not None:
            sender, subject, since = same
            meant.append(sa.and_(mail.c.sender == sender, mail.c.subject == subject, mail.c.kept_at >= since))
        query = sa.select(*COLUMNS).where(mail.c.id < row.id, mail.c.state.in_(OPEN), sa.or_(*meant))
        with self._database.read() as db:
            earlier = db.execute(query.order_by(mail.c.next_try_at.desc()).limit(1)).first()
        return as_row(earlier) if earlier else None

    def participants(self, issues: Collection[int]) -> dict[int, frozenset[str]]:
        """Given issues, return the addresses (lower case) that participated in each by mail."""
        if not issues:
            return {}
        query = sa.select(participant.c.issue, participant.c.address).where(participant.c.issue.in_(issues))
        return self._by_issue(issues, query)

    def mailed(self, issues: Collection[int]) -> dict[int, frozenset[str]]:
        """Given issues, return the addresses (lower case) to which messages about each were sent or will be."""
        if not issues:
            return {}
        query = sa.select(outbox.c.issue, outbox.c.recipient).where(outbox.c.issue.in_(issues))
        return self._by_issue(issues, query.where(outbox.c.state.not_in([FAILED, DISCARDED])).distinct())

    def third_parties(self, issues: Collection[int]) -> dict[int, frozenset[str]]:
        """Given issues, return the addresses (lower case) of the third parties of each."""
        if not issues:
            return {}
        with self._database.read() as db:
            return third_parties(db, issues)

    def third_party_ids(self, message_ids: Iterable[str]) -> frozenset[str]:
        """Given Message-IDs, return those of mail that went to third parties, or came from them."""
        ids = list(message_ids)
        if not ids:
            return frozenset()
        sent = sa.select(outbox.c.message_id).where(outbox.c.message_id.in_(ids), outbox.c.kind == THIRD_PARTY)
        came = sa.select(mail.c.message_id).where(mail.c.message_id.in_(ids), mail.c.third_party)
        with self._database.read() as db:
            return frozenset(db.execute(sent.union(came)).scalars())

    def _by_issue(self, issues: Collection[int], query: sa.Select[tuple[Any, Any]]) -> dict[int, frozenset[str]]:
        """Given issues, and a query for issues with an address each, return the addresses (lower case) of each."""
        by_issue: dict[int, set[str]] = {issue: set() for issue in issues}
        with self._database.read() as db:
            for issue, address in db.execute(query):
                by_issue[issue].add(address.lower())
        return {issue: frozenset(addresses) for issue, addresses in by_issue.items()}

    def mailboxes(self, issues: Collection[int]) -> dict[int, str]:
        """Given issues, return the name of the mailbox of each that is a conversation: whose message created it, or
        where it began in Redmine.
        """
        if not issues:
            return {}
        query = sa.select(mail.c.created_issue, mail.c.mailbox).where(mail.c.created_issue.in_(set(issues)))
        begun = sa.select(begun_issue.c.issue, begun_issue.c.mailbox).where(begun_issue.c.issue.in_(set(issues)))
        with self._database.read() as db:
            mailboxes = {row.issue: row.mailbox for row in db.execute(begun)}
            return mailboxes | {row.created_issue: row.mailbox for row in db.execute(query)}

    def begun(self, issues: Collection[int]) -> frozenset[int]:
        """Given issues, return those whose conversation began in Redmine."""
        if not issues:
            return frozenset()
        by_mail = sa.exists().where(mail.c.created_issue == begun_issue.c.issue)
        query = sa.select(begun_issue.c.issue).where(begun_issue.c.issue.in_(set(issues)), ~by_mail)
        with self._database.read() as db:
            return frozenset(db.execute(query).scalars())

    def state(self, mail_id: int) -> State:
        """The current state of a message."""
        with self._database.read() as db:
            return State(db.execute(sa.select(mail.c.state).where(mail.c.id == mail_id)).scalar_one())

    def claimed_issue(self, issue: int) -> bool:
        """Was this issue created by a known message?"""
        return self._exists(mail.c.created_issue == issue)

    def another_writes(self, row: StoredMail) -> bool:
        """Is there another message with this one's Message-ID whose result is not known yet?"""
        same = sa.and_(mail.c.message_id == row.message_id, mail.c.id != row.id, mail.c.state == State.WRITE_PENDING)
        return row.message_id is not None and self._exists(same)

    def newest_claimed(self) -> int:
        """The highest number of an issue that a known message has created; 0 if there is none."""
        with self._database.read() as db:
            return int(db.execute(_NEWEST_CLAIMED).scalar() or 0)

    def newest_notes(self, issues: Collection[int]) -> dict[int, int]:
        """Given issues, return the newest note of each that a known message has created."""
        if not issues:
            return {}
        query = sa.select(mail.c.issue, sa.func.max(mail.c.journal)).where(
            mail.c.issue.in_(issues), mail.c.journal.is_not(None)
        )
        with self._database.read() as db:
            return {issue: int(newest) for issue, newest in db.execute(query.group_by(mail.c.issue))}

    def claimed_journal(self, journal: int, issue: int) -> bool:
        """Was this note of an issue created by a known message, or by an automation rule?"""
        return any(self._exists(sa.and_(of.c.journal == journal, of.c.issue == issue)) for of in (mail, applied))

    def issues_of(self, journals: Iterable[int]) -> dict[int, int]:
        """Given numbers of notes, return the issues of those that messages created."""
        numbers = set(journals)
        if not numbers:
            return {}
        query = sa.select(mail.c.journal, mail.c.issue).where(mail.c.journal.in_(numbers))
        with self._database.read() as db:
            return {row.journal: row.issue for row in db.execute(query) if row.issue is not None}

    def _exists(self, condition: sa.ColumnElement[bool]) -> bool:
        with self._database.read() as db:
            return bool(db.execute(sa.select(sa.exists().where(condition))).scalar_one())

    def same_subject(self, requester: str, subject: str, *, since: float, until: float) -> StoredMail | None:
        """The newest message of this requester and subject that arrived between these times and became an issue or a
        note."""
        came = sa.func.coalesce(mail.c.received_at, mail.c.kept_at)
        query = sa.select(*COLUMNS).where(
            sa.or_(mail.c.requester == requester, sa.and_(mail.c.requester.is_(None), mail.c.sender == requester)),
            mail.c.subject == subject,
            mail.c.kept_at >= since,
            came.between(since, until),
            mail.c.issue.is_not(None),
        )
        with self._database.read() as db:
            row = db.execute(query.order_by(mail.c.id.desc()).limit(1)).first()
        return as_row(row) if row else None

    def messages(self, criteria: MessageFilter) -> list[StoredMail]:
        """The matching messages, newest first."""
        return matching(self._database, criteria, conditions_of(self._database, criteria), criteria.limit)

    def search(self, criteria: MessageFilter, *, within: float) -> SearchResult:
        """The matching messages, newest first, as far back as this many seconds allow."""
        return search(self._database, criteria, within=within)

    def steps(self, mail_id: int) -> list[HistoryLine]:
        """The history of a message, in order."""
        query = sa.select(step.c.at, step.c.line).where(step.c.mail_id == mail_id).order_by(step.c.id)
        with self._database.read() as db:
            return [HistoryLine(row.at, row.line) for row in db.execute(query)]

    def wrote_since(self, moment: float, now: float) -> bool:
        """Has Redmine accepted a message since then, as the newest issue or the newest note? Times in seconds since the
        epoch; one in the future is from before the clock was set back, and does not count.
        """
        columns = (mail.c.created_issue, mail.c.journal)
        newest = sa.or_(*(column == sa.select(sa.func.max(column)).scalar_subquery() for column in columns))
        return self._exists(sa.and_(newest, mail.c.changed_at > moment, mail.c.changed_at <= now))

    def next_due(
        self, mailboxes: Collection[str], now: float | None = None, *, others: Collection[str] = ()
    ) -> float | None:
        """When the next open message of these mailboxes is due (seconds since the epoch; past: it is due);
        None if none waits for a time. Of `others` only those with bytes count: no one can fetch the rest. `now` is
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


_NEWEST_CLAIMED = sa.select(sa.func.max(mail.c.created_issue))

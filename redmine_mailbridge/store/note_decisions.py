"""The decision on each agent's note: sent, or not and why. Made once, together with the messages that follow."""

import json
import re
from collections.abc import Callable, Collection, Sequence
from typing import Literal

import sqlalchemy as sa

from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_if_missing
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.meta import Meta
from redmine_mailbridge.store.notices import NewNotice, notify
from redmine_mailbridge.store.outgoing.adding import NewAnswer, queue
from redmine_mailbridge.store.outgoing.rows import BOUNCED, FAILED
from redmine_mailbridge.store.recipient_changes import RecipientChanges, change_recipients
from redmine_mailbridge.store.tables import (
    answer,
    begun_issue,
    former_requester,
    issue,
    journal,
    mail,
    outbox,
    requester_change,
)
from redmine_mailbridge.util.dataclass import dataclass

NOTE_IN_ID = re.compile(r"\.j([0-9]{1,18})\.[0-9a-v]{26}@")
"""The note that a message contains, from its Message-ID (mail/message_ids.py)."""

_CHANGED = (
    sa.select(sa.func.max(requester_change.c.at))
    .where(requester_change.c.issue == answer.c.issue, requester_change.c.undone_by.is_(None))
    .correlate(answer)
    .scalar_subquery()
)
"""When a person last made another one the requester of a decision's issue; NULL: never."""
_REPLACED = (
    sa.select(sa.func.max(former_requester.c.at))
    .where(former_requester.c.issue == answer.c.issue)
    .correlate(answer)
    .scalar_subquery()
)
"""The same of a conversation that began in Redmine."""


MAILED = ("notes", "closed", "third_parties")
"""What is decided, each from a journal on of its own: `answers:MAILBOX:notes`."""


@dataclass(frozen=True, slots=True)
class NoteDecision:
    """The decision on a note, in one line. `at` in seconds since the epoch, UTC.

    `notified_by` is who notifies the requester: the bridge, Redmine, or no one (None).
    """

    journal: int
    issue: int
    at: float
    line: str
    notified_by: Literal["mailed", "redmine"] | None = None


@dataclass(frozen=True, slots=True)
class NoteToHide:
    """A note whose writer wants it private, and that is public in Redmine. `mail_id`: the message of its issue."""

    journal: int
    issue: int
    mail_id: int | None


class RateLimited(Exception):
    """A rate limit defers the message. The text says which."""

    def __init__(self, line: str, mail: NewAnswer) -> None:
        super().__init__(line)
        self.mail = mail


class NoteDecisions:
    """Stores decisions. Safe for concurrent threads and processes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def begin(self, what: str) -> int:
        """Given what is sent from now on, return the id of the journal after which sending starts.

        That is the newest known one when this was first called: history is not sent.
        """
        key = f"answers:{what}"
        with self._database.read() as db:
            first = Meta(db).get(key)
        if first is None:
            with side_effect(SideEffect.QUEUE_MAIL), self._database.write() as db:
                newest = db.execute(sa.select(sa.func.max(journal.c.id))).scalar() or 0
                first = Meta(db).add(key, str(newest))
        return int(first)

    def end(self, what: str) -> None:
        """Sending is disabled; when it is enabled again, what was written meanwhile is history."""
        key = f"answers:{what}"
        with self._database.read() as db:
            if Meta(db).get(key) is None:
                return
        with side_effect(SideEffect.QUEUE_MAIL), self._database.write() as db:
            Meta(db).remove(key)

    def undecided(
        self, mailbox: str, *, notes: int | None, closed: int | None, third_parties: int | None = None
    ) -> list[tuple[int, int]]:
        """The undecided entries of a mailbox's issues: issue and journal, by issue, oldest first.

        `notes`: agents' public notes after this journal; `closed`: public status changes after this one by anyone but
        the customer; `third_parties`: notes written in Redmine after this one that begin with the command for mail to
        third parties; None: none of them. Entries created from messages are not among them, but for agents' replies
        that are sent to the requester, nor those from before a conversation began in Redmine.
        """
        kinds: list[sa.ColumnElement[bool]] = []
        shown = journal.c.private.is_(False)
        if notes is not None:
            kinds.append(sa.and_(shown, journal.c.id > notes, journal.c.side == "agent", journal.c.has_notes))
        if closed is not None:
            others = journal.c.side.in_(["agent", "bridge"])
            kinds.append(sa.and_(shown, journal.c.id > closed, others, journal.c.status_to.is_not(None)))
        if third_parties is not None:
            kinds.append(sa.and_(journal.c.id > third_parties, journal.c.side == "agent", journal.c.to_third_party))
        mails_note = sa.exists().where(mail.c.journal == journal.c.id)
        query = (
            sa.select(journal.c.issue, journal.c.id)
            .join(issue, issue.c.id == journal.c.issue)
            .where(
                issue.c.mailbox == mailbox,
                issue.c.gone.is_(False),
                ~sa.exists().where(begun_issue.c.issue == journal.c.issue, journal.c.id <= begun_issue.c.after_journal),
                sa.or_(
                    sa.and_(journal.c.mail_id.is_(None), ~mails_note),  # the copy may not know yet that it is a mail's
                    sa.exists().where(mail.c.journal == journal.c.id, mail.c.to_requester),
                ),
                sa.or_(sa.false(), *kinds),
                ~sa.exists().where(answer.c.journal == journal.c.id),
            )
            .order_by(journal.c.issue, journal.c.id)
        )
        with self._database.read() as db:
            return [(row.issue, row.id) for row in db.execute(query)]

    def addressed(self, note: int) -> frozenset[str]:
        """Given an agent's note, return the addresses in To and Cc of the mail that it was, lower case; none if it was
        none.
        """
        query = sa.select(mail.c.request).where(
            mail.c.journal == note, mail.c.to_requester, mail.c.request.is_not(None)
        )
        with self._database.read() as db:
            request = db.execute(query).scalar()
        return frozenset(str(key).lower() for key in json.loads(request).get("named", ())) if request else frozenset()

    def being_written(self) -> list[str]:
        """The intents (JSON) of the messages that are being written to Redmine just now."""
        query = sa.select(mail.c.request).where(mail.c.state == State.WRITE_PENDING, mail.c.request.is_not(None))
        with self._database.read() as db:
            return [str(request) for request in db.execute(query).scalars()]

    def decide(
        self,
        decision: NoteDecision,
        mails: Sequence[NewAnswer] = (),
        *,
        mail_id: int | None = None,
        notices: Sequence[NewNotice] = (),
        changes: RecipientChanges | None = None,
        hide: bool = False,
        on_record: bool = True,
    ) -> list[str]:
        """Store the decision on a journal, what its commands change, queue its messages, and store the notices for
        agents, in one transaction. Return the lines; they are added to the history of `mail_id` if it is given, unless
        all messages were queued before, whose history has them. `hide`: the note is to be made private in Redmine.

        A journal that is already decided stays as it is. Raise RateLimited, and decide nothing, if a limit defers a
        message: it is sent later.
        """
        now = self._clock()
        row = {
            "journal": decision.journal,
            "issue": decision.issue,
            "at": now,
            "line": decision.line,
            "notified_by": decision.notified_by,
            "hide_due": hide,
        }
        with side_effect(SideEffect.QUEUE_MAIL), self._database.write() as db:
            if not insert_if_missing(db, answer, row):
                return []
            lines = [decision.line]
            if changes is not None:
                change_recipients(db, (decision.issue, decision.journal), mail_id, changes, now)
            for each in mails:
                queued, line = queue(db, mail_id, each, now)
                if not queued:
                    raise RateLimited(line, each)
                lines.append(line)
            notify(db, decision.issue, mail_id, notices, now)
            new = [line for line in lines if not line.startswith("queued before")]
            if on_record and (len(new) > 1 or not mails):  # the mail of a rule that closed is on record already
                write_steps(db, mail_id, new, now)
        return lines

    def to_hide(self) -> list[NoteToHide]:
        """The decided notes that are still to be made private in Redmine, oldest first."""
        query = (
            sa.select(answer.c.journal, answer.c.issue, issue.c.mail_id)
            .outerjoin(issue, issue.c.id == answer.c.issue)
            .where(answer.c.hide_due)
            .order_by(answer.c.journal)
        )
        with self._database.read() as db:
            return [NoteToHide(*row) for row in db.execute(query)]

    def hidden(self, note: NoteToHide, line: str, notices: Sequence[NewNotice] = ()) -> None:
        """A note is private, or cannot be made so: the line and the notices say which."""
        now = self._clock()
        with side_effect(SideEffect.RECORD_SENT), self._database.write() as db:
            db.execute(sa.update(answer).where(answer.c.journal == note.journal).values(hide_due=False))
            notify(db, note.issue, note.mail_id, notices, now)
            write_steps(db, note.mail_id, (line,), now)

    def mailed_notes(self, issues: Collection[int]) -> frozenset[int]:
        """Given issues, return those of their notes that the requester receives by mail, from the bridge or Redmine:
        not those whose message to the requester was refused, given up, withheld or bounced, and not those from before
        another person became the requester.
        """
        journals: set[int] = set()
        with self._database.read() as db:
            for some in chunks(sorted(issues)):
                mailed = sa.select(answer.c.journal).where(answer.c.issue.in_(some), answer.c.notified_by.is_not(None))
                for since in (_CHANGED, _REPLACED):
                    mailed = mailed.where(sa.or_(since.is_(None), answer.c.at >= since))
                journals |= set(db.execute(mailed).scalars())
                lost = (
                    sa.select(outbox.c.message_id, outbox.c.recipient, issue.c.requester)
                    .join(issue, issue.c.id == outbox.c.issue)
                    .where(outbox.c.issue.in_(some), outbox.c.state.in_([FAILED, BOUNCED]))
                )
                ids = [row.message_id for row in db.execute(lost) if row.recipient in spellings(row.requester)]
                journals -= {int(match[1]) for match in filter(None, map(NOTE_IN_ID.search, ids))}
        return frozenset(journals)

"""Decides one journal of an issue: what of it is mailed, and to whom, or why nothing is.

The commands at the top of a note are carried out in the transaction of the decision, so they count once, whatever
happens to the mail: `command_review.py` says which count, `note_audience.py` who gets the note. A note is parsed once,
and decided as it is at that time: one that has been made private or deleted is not sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.outgoing.issue_mail.mail import IssueMail, ReadableIssue
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.outgoing.recipients import NotifiedBy
from redmine_mailbridge.policy.note_commands import NoteCommands
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.issue_visibility import VisibleIssue
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.note_decisions import NoteDecision, NoteDecisions
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.queries.conversations import ConversationQueries
from redmine_mailbridge.tasks.update.command_review import CommandReview, JournalInTurn, ReviewedCommands
from redmine_mailbridge.tasks.update.command_rights import CommandRights
from redmine_mailbridge.tasks.update.note_audience import JudgedNote, NoteAudience
from redmine_mailbridge.tasks.update.note_content import NoteContentComposer
from redmine_mailbridge.tasks.update.note_filter import AgentNote, NoteMailPolicy, closes, note_to_mail
from redmine_mailbridge.tasks.update.note_variables import journal_variables
from redmine_mailbridge.tasks.update.requesters.note_requesters import NoteRequesters
from redmine_mailbridge.tasks.update.third_party_notes import ThirdPartyNotes

log = structlog.get_logger(__name__)


class NoteDecider:
    """Decides journals, each once. Raises RedmineUnavailable, and RateLimited where one must wait."""

    def __init__(
        self,
        decisions: NoteDecisions,
        mailer: IssueMailer,
        client: Client,
        metadata: MetadataCache,
        *,
        requesters: NoteRequesters,
        queries: ConversationQueries,
        text_format: TextFormat,
    ) -> None:
        self._decisions = decisions
        self._mailer = mailer
        self._metadata = metadata
        self._requesters = requesters
        self._commands = CommandReview(mailer, metadata, requesters, text_format)
        self._audience = NoteAudience(mailer, metadata, decisions, text_format)
        self._content = NoteContentComposer(client, metadata.people, text_format)
        self._third_parties = ThirdPartyNotes(
            decisions, mailer, self._content, queries, rights=CommandRights(metadata), text_format=text_format
        )

    def decide(
        self, row: IssueRow, visible: VisibleIssue, entry: Mapping[str, Any], mailing: NoteMailPolicy, *, by_agent: bool
    ) -> int:
        """Given an issue as copied and as Redmine shows it, one of its journals, what its mailbox mails, and whether an
        agent wrote the journal, decide it: a note to third parties, or any other. Return the number of mails queued.
        """
        written = self._commands.written(entry, row, mailing) if by_agent else None
        turn = JournalInTurn(row, visible, entry, mailing, written)
        to_others = None
        if mailing.third_parties and written is not None and not self._commands.begins(entry, row):
            to_others = self._third_parties.take(turn, written)
        return self._journal(turn) if to_others is None else to_others

    def _journal(self, turn: JournalInTurn) -> int:
        mailing, written, reviewed = turn.mailing, turn.written, ReviewedCommands()
        silent = written is not None and ReviewedCommands(written).silent  # whether notes are mailed or not
        if written is not None and mailing.notes != "never":
            reviewed = self._commands.of(turn, written)
        files = list(turn.visible.issue_data.get("attachments", ()))
        note_or_reason = note_to_mail(mailing, turn.entry, written, files)
        if isinstance(note_or_reason, AgentNote) and reviewed.not_mailed:
            note_or_reason = reviewed.not_mailed
        closing = not silent and self._closes(turn)
        has_agent_note = written is not None and isinstance(note_or_reason, AgentNote)
        if not has_agent_note and not closing:
            why_not = note_or_reason if isinstance(note_or_reason, str) else "it was written by the bridge"
            return self._not_mailed(turn, reviewed, why_not)
        names_requester = reviewed.counting.requester is not None
        obstacle = None if names_requester else self._requesters.obstacle(turn.row, turn.visible, turn.entry)
        if obstacle is not None:
            return self._not_mailed(turn, reviewed, *obstacle)
        judged = self._judged(turn, reviewed.counting)
        people = self._audience.of(judged, mailing)
        notices, notified_by = self._audience.notices(people, turn.number), people.notified_by(judged.row.requester)
        if not people.to and not people.cc:
            return self._not_mailed(turn, reviewed, people.why_nobody, notices, notified_by)
        note, left_out = (
            (note_or_reason, "") if isinstance(note_or_reason, AgentNote) else (AgentNote(), note_or_reason)
        )
        content = self._content.compose(note, mailing, self._mailer.profiles[turn.row.mailbox].redmine_url)
        mail = IssueMail(
            "answer" if has_agent_note else "closed",
            judged.row,
            f"j{turn.number}",
            people.to,
            journal_variables(content, turn.entry, turn.visible.issue_data, by_agent=written is not None),
            cc=people.cc,
            files=tuple(content.files),
            template="closed" if closing else "answer",
        )
        composed = self._mailer.compose(mail, ReadableIssue(turn.visible, judged.conversation))
        if not composed.mails:
            return self._not_mailed(turn, reviewed, composed.why_not, notices)
        line = f"{turn.line}: mailed to {', '.join(copy.recipient for copy in composed.mails)}"
        line += f"{people.line}{reviewed.line}"
        line += f"; not its text: {left_out}" if left_out and reviewed.line else ""
        line += "".join(f"; {problem}" for problem in content.problems)
        reached = None if left_out else notified_by  # words that were not sent reached no one
        decision = NoteDecision(turn.number, turn.row.id, 0.0, line, reached)
        queued = self._decide(decision, turn, reviewed, notices=notices, mails=composed.mails)
        kind, number = composed.mails[0].kind, len(composed.mails)
        log.info("answers.queued", issue=turn.row.id, journal=turn.number, kind=kind, mails=number)
        return number if queued else 0

    def _not_mailed(
        self,
        turn: JournalInTurn,
        reviewed: ReviewedCommands,
        why_not: str,
        notices: Sequence[NewNotice] = (),
        notified_by: NotifiedBy = None,
    ) -> int:
        line = f"{turn.line}: not mailed: {why_not}{reviewed.line}"
        decision = NoteDecision(turn.number, turn.row.id, 0.0, line, notified_by)
        on_record = turn.written is not None and turn.mailing.notes != "never"
        self._decide(decision, turn, reviewed, notices=notices, on_record=on_record)
        if turn.row.mail_id is None:  # no message has a history that says it
            log.info("answers.not_mailed", issue=turn.row.id, journal=turn.number, reason=decision.line)
        return 0

    def _closes(self, turn: JournalInTurn) -> bool:
        """Is the requester informed that this journal closed the issue, which still is?"""
        closed = self._metadata.statuses().closed
        is_closed = bool(turn.visible.issue_data["status"].get("is_closed", True))
        return turn.mailing.closed and closes(turn.entry, closed) and is_closed

    def _judged(self, turn: JournalInTurn, counting: NoteCommands) -> JudgedNote:
        """A note with its issue and conversation as its commands change them."""
        row, new = turn.row, counting.requester
        before: tuple[str, ...] = ()
        if new is not None and new.key != row.requester:
            before = (comparable(row.requester),)
            row = replace(row, requester=new.key, requester_name=new.name, domain=new.domain)
        conversation = self._mailer.conversation(row, turn.visible).without(before)
        conversation = conversation.with_changes(counting.cc, counting.uncc)
        return JudgedNote(row, turn.visible, turn.entry, counting, conversation)

    def _decide(
        self,
        decision: NoteDecision,
        turn: JournalInTurn,
        reviewed: ReviewedCommands,
        *,
        notices: Sequence[NewNotice],
        mails: Sequence[NewAnswer] = (),
        on_record: bool = True,
    ) -> list[str]:
        """Store a decision with what the commands of the note change. Raise RateLimited."""
        return self._decisions.decide(
            decision,
            mails,
            mail_id=turn.row.mail_id,
            notices=[*notices, *self._commands.notices(turn.entry, reviewed)],
            changes=reviewed.changes,
            hide=reviewed.hides,
            on_record=on_record,
        )

"""Agents' answers: an agent's note on an issue that came by mail is sent to the requester by mail, once.

Each journal is decided once (store/note_decisions.py), in the transaction that queues its mails. Their Message-IDs are
derived from the journal's ID, so that a note has the same Message-ID even after the database was lost. A note that
exceeds a rate limit is decided later. The decision uses the note as it is at that time; a note that has been made
private or deleted is not sent.

The commands at the top of a note are carried out in that transaction, too, so they count once, whatever happens to the
mail: `command_review.py` says which count, `note_audience.py` who gets the note. What they ask of Redmine follows
(`note_hider.py`, `requester_field_writer.py`).
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.outgoing.issue_mail.mail import IssueMail, ReadableIssue
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.outgoing.recipients import NotifiedBy
from redmine_mailbridge.outgoing.template_variables import CustomFieldValues
from redmine_mailbridge.policy.note_commands import NoteCommands
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.issue_visibility import VisibleIssue, visible_issue
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueRow
from redmine_mailbridge.store.note_decisions import MAILED, NoteDecision, NoteDecisions, RateLimited
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.queries.conversations import ConversationQueries
from redmine_mailbridge.tasks.update.command_review import CommandReview, ReviewedCommands
from redmine_mailbridge.tasks.update.command_rights import CommandRights
from redmine_mailbridge.tasks.update.delivery_failures import DeliveryFailures
from redmine_mailbridge.tasks.update.held_answers import HeldAnswers
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from redmine_mailbridge.tasks.update.note_audience import JudgedNote, NoteAudience
from redmine_mailbridge.tasks.update.note_content import NoteContent, NoteContentComposer
from redmine_mailbridge.tasks.update.note_filter import AgentNote, NoteMailPolicy, closes, note_to_mail
from redmine_mailbridge.tasks.update.note_hider import NoteHider
from redmine_mailbridge.tasks.update.note_requesters import NoteRequesters
from redmine_mailbridge.tasks.update.note_variables import author_of, note_variables
from redmine_mailbridge.tasks.update.requester_field_writer import RequesterFieldWriter
from redmine_mailbridge.tasks.update.third_party_notes import ThirdPartyNotes

log = structlog.get_logger(__name__)


class AgentNoteMailer:
    """The step of the update task that refreshes the issue copy and mails agents' notes."""

    name = "answers"

    def __init__(  # noqa: PLR0917 - what it is wired to
        self,
        issue_sync: IssueSync,
        issues: IssueCopy,
        answered: NoteDecisions,
        mailer: IssueMailer,
        client: Client,
        metadata: MetadataCache,
        *,
        delivery_failures: DeliveryFailures,
        held: HeldAnswers,
        hider: NoteHider,
        field_writer: RequesterFieldWriter,
        requesters: NoteRequesters,
        mailings: Mapping[str, NoteMailPolicy],
        queries: ConversationQueries,
        text_format: TextFormat,
    ) -> None:
        self._turns = IssueTurns("answers", client.whoami, issues.record)
        self._delivery_failures = delivery_failures
        self._held = held
        self._issue_sync = issue_sync
        self._issues = issues
        self._decisions = answered
        self._mailer = mailer
        self._client = client
        self._metadata = metadata
        self._mailings = mailings
        self._hider = hider
        self._field_writer = field_writer
        self._requesters = requesters
        self._commands = CommandReview(mailer, metadata, requesters, text_format)
        self._audience = NoteAudience(mailer, metadata, answered, text_format)
        self._content = NoteContentComposer(client, metadata.people, text_format)
        self._third_parties = ThirdPartyNotes(
            answered, mailer, self._content, queries, rights=CommandRights(metadata), text_format=text_format
        )

    def once(self, stop: threading.Event) -> TaskStepResult:
        """Refresh, then decide every undecided journal. Return the number of mails queued and notes written."""
        done = failed = 0
        try:
            self._issue_sync.refresh(stop)
            for mailbox, mailing in self._mailings.items():
                for number, journal_ids in self._pending(mailbox, mailing):
                    if stop.is_set():
                        return TaskStepResult(done, failed)
                    queued, ended = self._turns.take(number, partial(self._issue, number, journal_ids, mailing))
                    done, failed = done + queued, failed + (not ended)
            for further in (self._hider.once, self._field_writer.once, self._delivery_failures.once):
                written, unwritten = further()
                done, failed = done + written, failed + unwritten
            return TaskStepResult(done, failed)
        except MailbridgeError as error:
            log.warning("answers.interrupted", reason=str(error))
            return TaskStepResult(done, failed, str(error))

    def _pending(self, mailbox: str, mailing: NoteMailPolicy) -> Iterator[tuple[int, list[int]]]:
        """The issues of a mailbox with their undecided journals. Issues to which a mail is being written wait, since
        the newest note may be that mail's.
        """
        enabled = (mailing.notes != "never", mailing.closed, mailing.third_parties)
        after = {
            what: self._begun(f"{mailbox}:{what}", on=on and mailbox in self._mailer.profiles)
            for what, on in zip(MAILED, enabled, strict=True)
        }
        if all(journal is None for journal in after.values()):
            return
        requests = [WriteIntent.from_json(intent).request for intent in self._decisions.being_written()]
        busy = {request.issue for request in requests if isinstance(request, NoteRequest)}
        undecided = self._decisions.undecided(mailbox, **after)
        for number, rows in groupby(undecided, key=lambda pair: pair[0]):
            if number not in busy:
                yield number, [journal for _, journal in rows]

    def _begun(self, what: str, *, on: bool) -> int | None:
        """The journal after which journals are mailed; None when mailing is off."""
        if on:
            return self._decisions.begin(what)
        self._decisions.end(what)
        return None

    # ------------------------------------------------------------------ one issue

    def _issue(self, number: int, journal_ids: Sequence[int], mailing: NoteMailPolicy) -> int:
        row = self._issues.get(number)
        if row is None:
            return 0
        visible = visible_issue(self._client, number)
        if visible is None:
            self._issues.gone(number)
            return 0
        if self._requesters.must_wait(number, visible):
            return 0
        shown = {int(entry["id"]): entry for entry in visible.issue_data.get("journals", ())}
        known = {journal.id: journal for journal in self._issues.journals([number])}
        queued = 0
        for journal_id in journal_ids:
            entry = shown.get(journal_id)
            by_agent = known[journal_id].side == "agent"
            if entry is None:
                self._decisions.decide(NoteDecision(journal_id, number, 0.0, f"note {journal_id}: it no longer exists"))
                continue
            row = self._issues.get(number) or row  # the note before it may have changed the requester
            try:
                queued += self._decided(row, visible, entry, mailing, by_agent=by_agent)
            except RateLimited as error:
                log.info("answers.held_back", issue=number, journal=journal_id, reason=str(error))
                if by_agent:
                    self._held.report_note(row, journal_id, error)
                    break  # later notes of this issue wait for it
        return queued

    def _decided(
        self, row: IssueRow, visible: VisibleIssue, entry: Mapping[str, Any], mailing: NoteMailPolicy, *, by_agent: bool
    ) -> int:
        """Decide one journal: a note to third parties, or any other. Return and raise as `_journal`."""
        to_others = None
        if mailing.third_parties and by_agent and not self._commands.begins(entry, row):
            to_others = self._third_parties.take(row, visible, entry, mailing)
        return self._journal(row, visible, entry, mailing, by_agent=by_agent) if to_others is None else to_others

    def _journal(
        self, row: IssueRow, visible: VisibleIssue, entry: Mapping[str, Any], mailing: NoteMailPolicy, *, by_agent: bool
    ) -> int:
        """Decide one journal. Return the number of mails queued. Raise RateLimited when it must wait."""
        number = int(entry["id"])
        reviewed = ReviewedCommands()
        silent = by_agent and ReviewedCommands(self._commands.written(entry, row, mailing)).silent  # mailed or not
        if by_agent and mailing.notes != "never":
            reviewed = self._commands.of(entry, row, visible, mailing)
        what = f"note {number} by {author_of(entry)}" if by_agent else f"entry {number}"

        def not_mailed(why: str, notices: Sequence[NewNotice] = (), notified_by: NotifiedBy = None) -> int:
            decision = NoteDecision(number, row.id, 0.0, f"{what}: not mailed: {why}{reviewed.line}", notified_by)
            on_record = by_agent and mailing.notes != "never"
            self._decide(decision, row, entry, reviewed, notices=notices, on_record=on_record)
            if row.mail_id is None:  # no message has a history that says it
                log.info("answers.not_mailed", issue=row.id, journal=number, reason=decision.line)
            return 0

        files = list(visible.issue_data.get("attachments", ()))
        note_or_reason = note_to_mail(mailing, entry, files, by_agent=by_agent)
        if isinstance(note_or_reason, AgentNote) and reviewed.not_mailed:
            note_or_reason = reviewed.not_mailed
        closing = not silent and self._closes(entry, visible, mailing)
        has_agent_note = by_agent and isinstance(note_or_reason, AgentNote)
        if not has_agent_note and not closing:
            return not_mailed(note_or_reason if isinstance(note_or_reason, str) else "it was written by the bridge")
        judged = self._judged(row, visible, entry, reviewed.counting)
        names_requester = reviewed.counting.requester is not None
        if not names_requester and (obstacle := self._requesters.obstacle(row, visible, entry)) is not None:
            return not_mailed(*obstacle)
        people = self._audience.of(judged, mailing)
        notices = self._audience.notices(people, number)
        if not people.to and not people.cc:
            return not_mailed(people.why_nobody, notices, people.notified_by(judged.row.requester))
        note, left_out = (
            (note_or_reason, "") if isinstance(note_or_reason, AgentNote) else (AgentNote(), note_or_reason)
        )
        content = self._content.compose(note, mailing, self._mailer.profiles[row.mailbox].redmine_url)
        mail = IssueMail(
            "answer" if has_agent_note else "closed",
            judged.row,
            f"j{number}",
            people.to,
            _variables(content, entry, visible, by_agent=by_agent),
            cc=people.cc,
            files=tuple(content.files),
            template="closed" if closing else "answer",
        )
        composed = self._mailer.compose(mail, ReadableIssue(visible, judged.conversation))
        if not composed.mails:
            return not_mailed(composed.why_not, notices)
        line = f"{what}: mailed to {', '.join(copy.recipient for copy in composed.mails)}{people.line}{reviewed.line}"
        line += f"; not its text: {left_out}" if left_out and reviewed.line else ""
        line += "".join(f"; {problem}" for problem in content.problems)
        notified_by = None if left_out else people.notified_by(judged.row.requester)  # words that were not sent
        decision = NoteDecision(number, row.id, 0.0, line, notified_by)
        queued = self._decide(decision, row, entry, reviewed, notices=notices, mails=composed.mails)
        log.info("answers.queued", issue=row.id, journal=number, kind=composed.mails[0].kind, mails=len(composed.mails))
        return len(composed.mails) if queued else 0

    def _closes(self, entry: Mapping[str, Any], visible: VisibleIssue, mailing: NoteMailPolicy) -> bool:
        """Is the requester informed that this journal closed the issue, which still is?"""
        closed = self._metadata.statuses().closed
        return mailing.closed and closes(entry, closed) and bool(visible.issue_data["status"].get("is_closed", True))

    def _judged(
        self, row: IssueRow, visible: VisibleIssue, entry: Mapping[str, Any], counting: NoteCommands
    ) -> JudgedNote:
        """A note with its issue and conversation as its commands change them."""
        new = counting.requester
        before: tuple[str, ...] = ()
        if new is not None and new.key != row.requester:
            before = (comparable(row.requester),)
            row = replace(row, requester=new.key, requester_name=new.name, domain=new.domain)
        conversation = self._mailer.conversation(row, visible).without(before)
        conversation = conversation.with_changes(counting.cc, counting.uncc)
        return JudgedNote(row, visible, entry, counting, conversation)

    def _decide(
        self,
        decision: NoteDecision,
        row: IssueRow,
        entry: Mapping[str, Any],
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
            mail_id=row.mail_id,
            notices=[*notices, *self._commands.notices(entry, reviewed)],
            changes=reviewed.changes,
            hide=reviewed.hides,
            on_record=on_record,
        )


def _variables(
    content: NoteContent, entry: Mapping[str, Any], visible: VisibleIssue, *, by_agent: bool
) -> dict[str, object]:
    """What the template of the mail about a journal may use."""
    fields = visible.issue_data.get("custom_fields", ())
    values = CustomFieldValues({str(f["name"]): _value(f.get("value")) for f in fields})
    return {**note_variables(content, entry, by_agent=by_agent), "fields": values}


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")

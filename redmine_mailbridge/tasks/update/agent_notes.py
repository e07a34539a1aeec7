"""Agents' answers: an agent's note on an issue that came by mail is sent to the requester by mail, once.

Each journal is decided once (`note_decider.py`), in the transaction that queues its mails (store/note_decisions.py).
Their Message-IDs are derived from the journal's ID, so that a note has the same Message-ID even after the database was
lost. A note that exceeds a rate limit is decided later. What the commands of a note ask of Redmine follows the decision
(`note_hider.py`, `requester_field_writer.py`).
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.issue_visibility import visible_issue
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.issue_copy import IssueCopy
from redmine_mailbridge.store.note_decisions import MAILED, NoteDecision, NoteDecisions, RateLimited
from redmine_mailbridge.tasks.update.delivery_failures import DeliveryFailures
from redmine_mailbridge.tasks.update.held_answers import HeldAnswers
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from redmine_mailbridge.tasks.update.note_decider import NoteDecider
from redmine_mailbridge.tasks.update.note_filter import NoteMailPolicy
from redmine_mailbridge.tasks.update.note_hider import NoteHider
from redmine_mailbridge.tasks.update.requesters.note_requesters import NoteRequesters
from redmine_mailbridge.tasks.update.requesters.requester_field_writer import RequesterFieldWriter

log = structlog.get_logger(__name__)


class AgentNoteMailer:
    """The step of the update task that refreshes the issue copy and mails agents' notes."""

    name = "answers"

    def __init__(
        self,
        issue_sync: IssueSync,
        issues: IssueCopy,
        answered: NoteDecisions,
        mailer: IssueMailer,
        client: Client,
        *,
        decider: NoteDecider,
        delivery_failures: DeliveryFailures,
        held: HeldAnswers,
        hider: NoteHider,
        field_writer: RequesterFieldWriter,
        requesters: NoteRequesters,
        mailings: Mapping[str, NoteMailPolicy],
    ) -> None:
        self._turns = IssueTurns("answers", client.whoami, issues.record)
        self._delivery_failures = delivery_failures
        self._held = held
        self._issue_sync = issue_sync
        self._issues = issues
        self._decisions = answered
        self._mailer = mailer
        self._client = client
        self._mailings = mailings
        self._hider = hider
        self._field_writer = field_writer
        self._requesters = requesters
        self._decider = decider

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
                queued += self._decider.decide(row, visible, entry, mailing, by_agent=by_agent)
            except RateLimited as error:
                log.info("answers.held_back", issue=number, journal=journal_id, reason=str(error))
                if by_agent:
                    self._held.report_note(row, journal_id, error)
                    break  # later notes of this issue wait for it
        return queued

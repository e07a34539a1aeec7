"""Executes a plan exactly once, despite crashes.

    user and author → upload files, fit the request to Redmine's limits (preparation.py)
    → record the intent → send → (unclear? search; not found? record and send again) → watchers, relation
    → further notes with what Redmine did not accept (further_notes.py) → done

The intent is the request itself, with the newest issue (or note) that existed before it. A process that finds an intent
in the store, for example after a crash, first searches Redmine for its result and sends the request again only if there
is none (see once.py).
"""

import threading
from collections.abc import Sequence
from dataclasses import replace

import structlog

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.mail.language import language_of
from redmine_mailbridge.model.facts import Issue
from redmine_mailbridge.model.mail import Message, TextFormat
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.pending_replies import PendingReplies
from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.redmine.groups import Groups
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.newest import IssueMark
from redmine_mailbridge.redmine.write_intent import CreatedRecord, WriteIntent, from_keywords
from redmine_mailbridge.redmine.writer import Writer, Written
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.tasks.receive.acknowledgements import AutoReplies
from redmine_mailbridge.tasks.receive.corrections import learn_dropped, renewed, with_category
from redmine_mailbridge.tasks.receive.further_notes import FurtherNotes
from redmine_mailbridge.tasks.receive.once import DecideAgain, OnceWriter, WriteAttempt, retry_without_4byte_chars
from redmine_mailbridge.tasks.receive.preparation import PreparedRequest, RequestPreparation
from redmine_mailbridge.tasks.receive.result import ProcessingResult
from redmine_mailbridge.tasks.receive.unreached import notices
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

REFERENCES = ("tracker", "status", "priority", "category", "fixed_version")
"""The issue fields whose value is the ID of a named object in Redmine."""


@dataclass(frozen=True, slots=True)
class WriteRules:
    """The settings for writing. `settle` in seconds; `marker_field` is the custom field for the Message-ID.

    `text_format` is the markup of the lines that the bridge adds.
    """

    settle: float
    marker_field: str | None = None
    text_format: TextFormat = "common_mark"


class PlanExecutor:
    """Writes plans to Redmine. Safe to share among threads; a mail is processed by one thread at a time."""

    def __init__(
        self,
        store: Store,
        message_queries: MessageQueries,
        writer: Writer,
        metadata: MetadataCache,
        rules: WriteRules,
        *,
        groups: Groups,
        answers: AutoReplies,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._writer = writer
        self._metadata = metadata
        self._answers = answers
        self._once = OnceWriter(store, message_queries, writer, stop, rules.settle, rules.text_format)
        self._preparation = RequestPreparation(
            writer, metadata, groups, self._once.files, marker_field=rules.marker_field, text_format=rules.text_format
        )
        self._further = FurtherNotes(store, writer, self._once, rules.text_format)

    def execute(
        self, row: StoredMail, plan: Plan, project_name: str, message: Message, issue: Issue | None = None
    ) -> ProcessingResult:
        """Given a mail, a plan that creates an issue or a note, the project identifier, and for a note the current
        issue, execute the plan.

        Raise RedmineUnavailable (nothing was written), RedmineUnclear (the result is unknown; `recover` continues from
        there), RedmineRefused (nothing was written).
        """
        project = self._metadata.project(project_name)
        if project is None:
            text = f'the project "{project_name}" does not exist, or the bridge may not see it'
            raise RedmineRefused(text, status=404)
        authored = self._preparation.authored(plan, project, message)
        prepared = self._preparation.fitted(authored)
        intent = replace(self._intent(prepared, message, issue), decided=row.manual_decision)
        outcome = self._send(WriteAttempt(row, intent, prepared.lines), message)
        return replace(outcome, plan=prepared.plan)

    def recover(self, row: StoredMail, message: Message) -> ProcessingResult | None:
        """Given a mail whose intent is recorded, find its result and continue. Raise as `execute` does.

        Return None when nothing was written and the intent has been withdrawn: the mail is processed as if new.
        """
        if (wait := self._once.wait(row)) > 0:
            return self._unsettled(row, wait)
        intent = self._once.intended(row)
        decided_since = row.manual_decision not in {None, intent.decided}  # the intent may be of another place
        again = intent.first is None and (intent.refused or decided_since)
        if again and self._once.find_written(row, intent) is None:
            self._store.withdraw(row.id)
            learn_dropped(intent, self._metadata)
            return None
        try:
            other = retry_without_4byte_chars if intent.wide else None
            return self._send(WriteAttempt(row, intent, doubtful=True, fresh=False, other=other), message)
        except DecideAgain:
            return None

    def find_written(self, row: StoredMail, message: Message) -> ProcessingResult | None:
        """Given a mail that is about to fail, find what its attempts may have created. Return None when there is
        nothing.

        The result is only recorded; the remaining steps are not executed, since one of them may be what fails.
        """
        if (wait := self._once.wait(row)) > 0:
            return self._unsettled(row, wait)
        intent = self._once.intended(row)
        written = self._once.find_written(row, intent)
        if written is None:
            return None
        if intent.first is not None:  # either the last note exists, or part of the mail is missing
            return None if intent.rest else self._done_with_notes(row, intent, message, ())
        if self._further.begin(row, intent, written, written.mismatches) is not None:
            return None
        how_found = f"found after {row.tries} failed attempts"
        lines = (*written.mismatches, f"{_made(intent, written)}, {how_found}")
        adopted = replace(intent, reason=f"{intent.full_reason}; {how_found}")
        return self._done(row, adopted, message, intent.has_made(written.issue, written.journal), lines)

    def _unsettled(self, row: StoredMail, wait: float) -> ProcessingResult:
        reason = "the result of the last request is not known yet: it will be checked later"
        retry_at = self._store.defer(row.id, reason, after=wait, counts=False)
        return ProcessingResult(row, State.WRITE_PENDING, reason, retry_at=retry_at)

    def _intent(self, prepared: PreparedRequest, message: Message, issue: Issue | None) -> WriteIntent:
        """Given a prepared request, and for a note the current issue, return the intent that `OnceWriter.send` records
        before sending.
        """
        plan, request, fitted = prepared.plan, prepared.request, prepared.fitted
        people = [plan.requester.address, *(person.address for person in message.cc)]
        if plan.machine or plan.private_note or plan.third_party:  # anyone who has seen an id can write like a machine
            people = []
        intent = WriteIntent(
            request,
            str(plan),
            plan.watchers,
            participants=tuple(address for address in people if address),
            named=tuple(dict.fromkeys(person.key for person in (*message.to, *message.cc) if person.key)),
            amendable=tuple(sorted(set(request.attributes) - from_keywords(plan))),
            pending_replies=PendingReplies.by(plan),
            requester=plan.requester.name,
            requester_address="" if plan.requester.key == message.sender.key else plan.requester.key,
            language=language_of(message),
            related=plan.related_issue,
            unreached=plan.unreached_issue,
            vouched=plan.vouched,
            to_requester=plan.agent_reply is not None and plan.agent_reply.to_requester,
            third_party=plan.third_party,
            machine=plan.machine,
            proven=plan.proven,
            claims=plan.claims,
            names={f"{name}_id": plan.fields.names[name] for name in REFERENCES if name in plan.fields.names},
            words=prepared.words,
            rest=fitted.rest,
            limit=plan.text_limit,
            in_file=fitted.in_file,
        )
        if issue is None:  # `OnceWriter.send` reads the newest issue
            return intent
        newest = issue.newest_journal
        return intent.marked(
            IssueMark(self._writer.recovery.newest_journal(issue.id) if newest is None else newest), issue.noted
        )

    def _send(self, sending: WriteAttempt, message: Message) -> ProcessingResult:
        """Given an attempt, send what has not been written yet, complete it, and record the mail as done."""
        row = sending.row
        if sending.intent.first is None:  # the request itself; else one of its further notes
            written = self._once.send(sending)
            intent, written, completed = self._complete(sending.intent, written)
            lines = (*sending.lines, *completed)
            notes = self._further.begin(row, intent, written, lines)
            if notes is None:
                return self._done(row, intent, message, intent.has_made(written.issue, written.journal), lines)
            sending = WriteAttempt(row, notes)
        last = self._further.write(sending)
        return self._done_with_notes(row, last, message, sending.lines)

    def _complete(self, intent: WriteIntent, written: Written) -> tuple[WriteIntent, Written, tuple[str, ...]]:
        """Given a written intent, set watchers, relation and what Redmine did not accept. Return both updated, and
        lines for the mail's history.

        A crash in between does no harm: every step can be repeated.
        """
        written = renewed(intent, written, self._writer, self._metadata)
        allowed = tuple(name for name in written.ignored_attributes if name in intent.amendable)
        if intent.request.as_login is not None and allowed:
            written = self._writer.amend(intent.request, replace(written, ignored_attributes=allowed))
        intent, written = with_category(intent, written, self._writer)
        intent = replace(intent, reason=intent.full_reason)
        lines = list(written.mismatches)
        for user_id in intent.watchers:
            why_not = self._writer.add_watcher(written.issue, user_id)
            if why_not is not None:
                lines.append(why_not)
        if intent.creates and intent.related is not None:
            lines.append(self._writer.add_relation(written.issue, intent.related))
        for line in written.mismatches:
            log.warning("redmine.mismatch", issue=written.issue, line=line)
        return intent, written, (*lines, _made(intent, written))  # the reason was recorded with the decision

    def _done_with_notes(
        self, row: StoredMail, intent: WriteIntent, message: Message, lines: Sequence[str]
    ) -> ProcessingResult:
        """The last further note of a mail exists: record the mail as done."""
        assert intent.first is not None, "a further note comes after something"  # noqa: S101 - the callers have looked
        return self._done(row, intent, message, intent.first, (*lines, f"further notes added to #{intent.first.issue}"))

    def _done(
        self, row: StoredMail, intent: WriteIntent, message: Message, record: CreatedRecord, lines: Sequence[str]
    ) -> ProcessingResult:
        self._store.done(
            row.id,
            intent.reason,
            issue=record.issue,
            created=record.created,
            number_again=record.again,
            journal=record.journal,
            participants=intent.participants,
            lines=lines,
            answers=self._answers.to(row, message, intent.pending_replies, issue=record.issue),
            notices=notices(intent, row.id, record),
            to_requester=intent.to_requester,
            third_party=intent.third_party,
        )
        return ProcessingResult(row, State.DONE, intent.reason, issue=record.issue, journal=record.journal)


def _made(intent: WriteIntent, written: Written) -> str:
    """What was written, in one phrase."""
    return f"issue #{written.issue} created" if intent.creates else f"note added to #{written.issue}"

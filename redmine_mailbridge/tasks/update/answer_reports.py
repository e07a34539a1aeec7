"""The step of the update task that shows in an issue which agents' notes were sent, if a request of its own is wanted
(`answers.report`), and which wait for a limit.

What is due is marked in the outbox, in the transaction that records that a message was sent. A field is written
first and the mark removed afterwards: writing the same value twice is one change in Redmine. A private note becomes a
notice in the transaction that removes the mark, and is posted once (`delivery_failures.py`).
"""

import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Literal

import structlog

from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.outgoing.last_answer import moment_in
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.store.note_decisions import NOTE_IN_ID
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.store.outgoing.answers import MailedAnswer, MailedAnswers
from redmine_mailbridge.store.outgoing.rows import QUEUED
from redmine_mailbridge.tasks.update.held_answers import HeldAnswers
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

ReportMode = Literal["field", "field_at_once", "private_note"]
NAMED = 10
"""How many recipients a note lists."""
PATIENCE = 600.0
"""Seconds for which a private note waits for the other recipients of its message."""


@dataclass(frozen=True, slots=True)
class ReportPolicy:
    """How a mailbox's issues are updated, and the time zone of times in notes (None: this machine's)."""

    mode: ReportMode = "field"
    zone: dt.tzinfo | None = None


class AnswerReports:
    """Updates issues. `policies` are by mailbox. `once` is meant for one thread at a time."""

    name = "reports"

    def __init__(
        self,
        answers: MailedAnswers,
        writer: Writer,
        held: HeldAnswers,
        turns: IssueTurns,
        policies: Mapping[str, ReportPolicy],
        *,
        text_format: TextFormat,
    ) -> None:
        self._answers = answers
        self._writer = writer
        self._held = held
        self._turns = turns
        self._policies = policies
        self._text_format: TextFormat = text_format

    def once(self, stop: threading.Event) -> TaskStepResult:
        """Update the issues of messages that were sent since the last run. Return how many fields were written. Raise
        RedmineUnavailable.
        """
        self._held.report_mails()
        written = failed = 0
        due = sorted(self._answers.due(), key=lambda row: row.issue)
        for issue, rows in groupby(due, key=lambda row: row.issue):
            if stop.is_set():
                break
            done, ended = self._turns.take(issue, partial(self._report, issue, list(rows)))
            written, failed = written + done, failed + (not ended)
        return TaskStepResult(written, failed)

    def _report(self, issue: int, rows: Sequence[MailedAnswer]) -> int:
        """Update an issue. Return how many fields were written."""
        policy = self._policies.get(rows[0].mailbox, ReportPolicy())
        written = False
        if policy.mode == "field_at_once":
            written = self._writer.write_due_field(issue)
            if written:
                log.info("reports.field_written", issue=issue)
        notices: list[NewNotice] = []
        if policy.mode == "private_note":
            rows = self._complete(issue, rows)
            notices = self._notices(rows, policy)
        if rows:
            self._answers.reported(rows, notices)
        return int(written)

    def _complete(self, issue: int, rows: Sequence[MailedAnswer]) -> list[MailedAnswer]:
        """The rows of the messages that no recipient waits for, or has for too long."""
        now = self._answers.clock()
        waiting = {row.message_id for row in self._answers.of_issue(issue) if row.state == QUEUED}
        return [row for row in rows if row.message_id not in waiting or abs(now - (row.sent_at or 0.0)) >= PATIENCE]

    def _notices(self, rows: Sequence[MailedAnswer], policy: ReportPolicy) -> list[NewNotice]:
        """One notice for each message, about the recipients to whom it was sent since the last run."""
        messages: dict[str, list[MailedAnswer]] = {}
        for row in rows:
            messages.setdefault(row.message_id, []).append(row)
        return [self._notice(copies, policy) for copies in messages.values()]

    def _notice(self, copies: Sequence[MailedAnswer], policy: ReportPolicy) -> NewNotice:
        last = copies[-1]
        names = ", ".join(literal(copy.recipient, self._text_format) for copy in copies[:NAMED])
        more = f" and {len(copies) - NAMED} more" if len(copies) > NAMED else ""
        note = NOTE_IN_ID.search(last.message_id)
        what = f"Note {note[1]}" if note is not None else "The answer"
        at = moment_in(max(copy.sent_at or 0.0 for copy in copies), policy.zone)
        text = f"{what} was sent by mail on {at} to {names}{more}."
        return NewNotice(f"sent/{last.message_id}/{last.id}", text)

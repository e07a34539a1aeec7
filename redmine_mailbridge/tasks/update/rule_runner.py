"""The step of the update task that runs the time-based rules, each once per issue and trigger event, despite crashes.

    due? ──▶ read the issue, still due? ──▶ record the intent ──▶ change Redmine ──▶ read back ──▶ mail ──▶ done

After a crash, an unfinished intent is recovered: if its journal exists in Redmine, the run continues after the change;
otherwise the intent is withdrawn and the rule is evaluated again.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from functools import partial

import structlog

from redmine_mailbridge.business_time.business_hours import Calendars
from redmine_mailbridge.errors import MailbridgeError, RedmineRefused, RedmineUnavailable, RedmineUnclear
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.policy.time_rules.due import RuleMatch, due, fits
from redmine_mailbridge.policy.time_rules.wording import actions, rule_text
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.writer import Writer, Written
from redmine_mailbridge.settings.time_rules import TimeRule
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueRow, JournalRow
from redmine_mailbridge.store.queries.messages import MessageQueries
from redmine_mailbridge.store.rule_runs import RuleRun, RuleRuns, Stage, Tally
from redmine_mailbridge.tasks.receive.claims import ClaimedIds
from redmine_mailbridge.tasks.receive.settle import seconds_left, stamped
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from redmine_mailbridge.tasks.update.mailed_notes import IsMailed, MailedNotes
from redmine_mailbridge.tasks.update.rule_mail import RuleMail
from redmine_mailbridge.tasks.update.rule_request import RuleChange
from redmine_mailbridge.tasks.update.rule_status import DueRule, RuleStatus
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.error_boundary import where

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RulePolicy:
    """The settings: the rules in order, the calendars, the mailboxes whose issues they apply to, and for how long
    (seconds) Redmine may still be executing a request of unknown result.
    """

    rules: Sequence[TimeRule]
    calendars: Calendars
    mailboxes: Sequence[str]
    settle: float


@dataclass(slots=True)
class _Run:
    """A run in progress. `busy` are issues with an unfinished rule run: other rules wait."""

    stop: threading.Event
    done: int = 0
    failed: int = 0
    error: str | None = None
    busy: set[int] = field(default_factory=set)


class RuleRunner:
    """Runs the rules. `once` is meant for one process at a time; the table of intents makes concurrent calls safe."""

    name = "rules"

    def __init__(
        self,
        policy: RulePolicy,
        *,
        issue_sync: IssueSync,
        issues: IssueCopy,
        rule_runs: RuleRuns,
        writer: Writer,
        change: RuleChange,
        mail: RuleMail,
        message_queries: MessageQueries,
        turns: IssueTurns,
        mailed_notes: MailedNotes,
    ) -> None:
        self._policy = policy
        self._mailed_notes = mailed_notes
        self._turns = turns
        self._issue_sync = issue_sync
        self._issues = issues
        self._rule_runs = rule_runs
        self._writer = writer
        self._change = change
        self._mail = mail
        self._message_queries = message_queries

    # ------------------------------------------------------------------ ask

    def due(self, rule: TimeRule) -> list[DueRule]:
        """Given a rule, return the issues for which it is due and has not run, according to the issue copy."""
        now, acted = self._issues.clock(), self._rule_runs.trigger_events(rule.name)
        rows = {
            row.id: row
            for row in self._issues.issues(closed=rule.when.closed)
            if row.mailbox in self._policy.mailboxes and fits(rule.when, row)
        }
        histories: dict[int, list[JournalRow]] = {}
        for entry in self._issues.journals(rows):
            histories.setdefault(entry.issue, []).append(entry)
        mailed_of = self._mailed_notes.of(rows.values())
        due_rules = []
        for row in rows.values():
            match = self._due(rule, row, histories.get(row.id, []), now, mailed_of(row))
            if match is not None and (match.issue, match.trigger_event) not in acted:
                due_rules.append(DueRule(row, match, ", ".join(actions(rule.then))))
        return due_rules

    def _due(
        self, rule: TimeRule, row: IssueRow, history: list[JournalRow], now: float, mailed: IsMailed
    ) -> RuleMatch | None:
        """The rule's match for an issue, if it is due. An error is recorded and does not affect other issues."""
        try:
            calendar = self._policy.calendars.of(row.project)
            return due(rule, row, history, now, calendar, mailed=mailed)
        except Exception as error:  # noqa: BLE001 - the boundary of an issue
            kind = type(error).__name__
            log.error("rules.fault", issue=row.id, rule=rule.name, kind=kind, where=where(error))  # noqa: TRY400 - as in Turns
            self._issues.record(row.id, f'rule "{rule.name}": internal error ({kind}); see the log')
            return None

    def preview(self) -> list[DueRule]:
        """Refresh the issue copy and return what the rules would do now, as a dry run. Raise RedmineUnavailable."""
        self._issue_sync.refresh()
        return [due_rule for rule in self._active() for due_rule in self.due(rule)]

    def states(self) -> list[RuleStatus]:
        """The rules with their past runs and due issues, according to the issue copy."""
        tallies, statuses = self._rule_runs.tallies(), []
        for rule in self._policy.rules:
            due_now = len(self.due(rule)) if rule.active else 0
            stopped = self._too_many(rule, due_now)
            statuses.append(RuleStatus(rule, rule_text(rule), tallies.get(rule.name, Tally()), due_now, stopped))
        return statuses

    def _active(self) -> Iterator[TimeRule]:
        return (rule for rule in self._policy.rules if rule.active)

    def _too_many(self, rule: TimeRule, number: int) -> bool:
        return 0 < rule.max_issues < number and not self._rule_runs.released(rule.name)

    # ------------------------------------------------------------------ do

    def once(self, stop: threading.Event) -> TaskStepResult:
        """Finish open runs, then apply each rule where it is due. Errors of the program are returned in the result."""
        run = _Run(stop)
        try:
            unfinished = self._rule_runs.open()
            if unfinished or any(self._active()):
                self._issue_sync.refresh(stop)
            for row in unfinished:
                self._guarded(run, row.issue, partial(self._resume, run, row))
            for rule in self._active():
                self._apply_all(run, rule)
        except MailbridgeError as error:
            run.error = str(error)
        return TaskStepResult(run.done, run.failed, run.error)

    def _apply_all(self, run: _Run, rule: TimeRule) -> None:
        due_rules = self.due(rule)
        if self._too_many(rule, len(due_rules)):
            run.error = run.error or (
                f'rule "{rule.name}" is due for {len(due_rules)} issues, more than max_issues = {rule.max_issues}: '
                f'nothing was done; see `rules preview`, then `rules resume "{rule.name}"`'
            )
            self._rule_runs.stop(rule.name, len(due_rules))
            log.warning("rules.stopped", rule=rule.name, due=len(due_rules), max_issues=rule.max_issues)
            return
        for due_rule in due_rules:
            if run.stop.is_set():
                return
            if due_rule.issue.id not in run.busy:
                self._guarded(run, due_rule.issue.id, partial(self._apply, run, rule, due_rule.issue.id))
        self._rule_runs.end_stop(rule.name)

    def _guarded(self, run: _Run, issue: int, work: Callable[[], None]) -> None:
        """Run one rule on one issue; an error ends only this run. Raise RedmineUnavailable, StoreError."""

        def turn() -> int:
            try:
                work()
            except RedmineUnclear as error:
                run.failed += 1
                run.busy.add(issue)
                log.warning("rules.unclear", issue=issue, reason=str(error))
            except RedmineRefused as error:  # recorded already
                run.failed += 1
                log.warning("rules.refused", issue=issue, reason=str(error))
            return 0

        _, ended = self._turns.take(issue, turn)
        run.failed += not ended

    def _apply(self, run: _Run, rule: TimeRule, number: int) -> None:
        """Apply a rule to an issue if it is still due after reading the issue from Redmine."""
        issue = self._issue_sync.reread(number)
        if issue is None:
            return
        history = self._issues.journals([number])
        calendar = self._policy.calendars.of(issue.project)
        mailed = self._mailed_notes.of([issue])(issue)
        match = due(rule, issue, history, self._issues.clock(), calendar, mailed=mailed)
        if match is None or (match.issue, match.trigger_event) in self._rule_runs.trigger_events(rule.name):
            return
        try:
            request = self._change.request(rule.then, issue, match)
            if request is not None:
                request, _ = self._writer.prepare_note(request)
        except RedmineRefused as error:
            self._rule_runs.refuse(match, issue.mail_id, f'rule "{rule.name}" could not be applied: {error}')
            raise
        after = max((entry.id for entry in history), default=0)
        text = stamped(request.to_json()) if request is not None else None
        row = self._rule_runs.intend(match, text, after)
        if row is None:
            return
        if request is not None:
            row = self._write(issue, row, request)
        self._end(run, issue, row)

    def _write(self, issue: IssueRow, row: RuleRun, request: NoteRequest) -> RuleRun:
        """Change Redmine and read the issue back. Return the row; raise RedmineUnclear when the result is unknown."""
        try:
            self._writer.add_note(request)
            written = self._confirmed(row, request)
        except RedmineUnavailable as error:
            if not error.sent:  # otherwise a later run looks for its result
                self._rule_runs.withdraw(row)
            raise
        except RedmineRefused as error:
            self._rule_runs.fail(row, issue.mail_id, f'rule "{row.rule}" could not be applied: {error}')
            raise
        if written.journal is None:
            why = "; ".join(written.mismatches) or "Redmine changed nothing"
            self._rule_runs.fail(row, issue.mail_id, f'rule "{row.rule}" could not be applied: {why}')
            raise RedmineRefused(why, status=204)
        return self._wrote(issue, row, written)

    def _confirmed(self, row: RuleRun, request: NoteRequest) -> Written:
        try:
            return self._writer.confirm_note([request], row.after_journal, self._others(row))
        except RedmineUnavailable as error:  # the change was made; only reading it back failed
            raise RedmineUnclear(str(error), settle=False) from error

    def _wrote(self, issue: IssueRow, row: RuleRun, written: Written) -> RuleRun:
        for line in written.mismatches:
            log.warning("redmine.mismatch", issue=issue.id, rule=row.rule, line=line)
        line = f'rule "{row.rule}" applied: {row.reason}'
        return self._rule_runs.wrote(row, written.journal, issue.mail_id, [line, *written.mismatches])

    def _end(self, run: _Run, issue: IssueRow, row: RuleRun) -> None:
        """Queue the mail of the rule, with the current issue, and finish the run."""
        rule = next((rule for rule in self._policy.rules if rule.name == row.rule), None)
        lines = [f'rule "{row.rule}" applied: {row.reason}'] if row.outcome is None else []
        if rule is None:
            lines.append(f'rule "{row.rule}" is no longer in the settings: no mail')
        elif rule.then.mail is not None:
            now = self._issue_sync.reread(issue.id)
            line = (
                "no mail: the issue is not visible in Redmine" if now is None else self._mail.queue(rule.then, now, row)
            )
            lines += [line] if line else []
        self._rule_runs.finish(row, issue.mail_id, lines)
        run.done += 1
        log.info("rules.applied", rule=row.rule, issue=row.issue, trigger_event=row.trigger_event, journal=row.journal)

    def _resume(self, run: _Run, row: RuleRun) -> None:
        """Find out the result of an unfinished run, and continue from there."""
        issue = self._issues.get(row.issue)
        if issue is None:
            return
        if row.state is Stage.INTENDED:
            run.busy.add(row.issue)
            sent = row.request or "{}"
            if seconds_left(sent, self._policy.settle, partial(self._rule_runs.rewrite, row)) > 0:
                return  # the request may still be executing; check later
            request = NoteRequest.from_json(sent)
            try:
                written = self._writer.confirm_note([request], row.after_journal, self._others(row), taken=False)
            except RedmineRefused as error:
                self._rule_runs.fail(row, issue.mail_id, f'rule "{row.rule}" could not be applied: {error}')
                raise
            if written.journal is None:
                self._rule_runs.withdraw(row)
                run.busy.discard(row.issue)
                return
            row = self._wrote(issue, row, written)
        self._end(run, issue, row)
        run.busy.discard(row.issue)

    def _others(self, row: RuleRun) -> ClaimedIds:
        """The notes of the issue that were written by others."""
        return ClaimedIds(lambda journal: self._message_queries.claimed_journal(journal, row.issue))

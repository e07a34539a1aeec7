"""The station of `update` that carries out the rules of time, each once for an issue and anchor, whatever crashes.

    due? ──▶ read the issue anew, still due? ──▶ record the intent ──▶ change Redmine ──▶ read back ──▶ mail ──▶ done

Who finds an intent without an end looks in Redmine for its journal: there, and it goes on from there; not there, and
the intent is taken back, so that what is due by then is asked anew.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from redmine_mailbridge.business_time.business_hours import Calendars
from redmine_mailbridge.errors import MailbridgeError, RedmineRefused, RedmineUnavailable, RedmineUnclear
from redmine_mailbridge.model.task_result import StationResult
from redmine_mailbridge.policy.time_rules.due import Application, due, fits
from redmine_mailbridge.policy.time_rules.wording import actions, told
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.writer import Writer, Written
from redmine_mailbridge.settings.time_rules import TimeRule
from redmine_mailbridge.store.issue_copy import IssueRow, Issues, JournalRow
from redmine_mailbridge.store.queries.messages import Archive
from redmine_mailbridge.store.rule_runs import Applications, Applied, Stage, Tally
from redmine_mailbridge.tasks.receive.claims import Claimed
from redmine_mailbridge.tasks.receive.settle import seconds_left, stamped
from redmine_mailbridge.tasks.update.issue_sync import Mirror
from redmine_mailbridge.tasks.update.issue_turns import Turns
from redmine_mailbridge.tasks.update.mailed_notes import Asks, Told
from redmine_mailbridge.tasks.update.rule_mail import RuleMail
from redmine_mailbridge.tasks.update.rule_request import RuleChange
from redmine_mailbridge.tasks.update.rule_status import Due, RuleState
from redmine_mailbridge.util.error_boundary import where

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say: the rules in order, the calendars, the mailboxes whose issues they are for, and how long
    (seconds) a request of unknown result may still be under way in Redmine.
    """

    rules: Sequence[TimeRule]
    calendars: Calendars
    mailboxes: Sequence[str]
    settle: float


@dataclass(slots=True)
class _Run:
    """One run under way. `busy` are issues with an application whose end is open: other rules wait."""

    stop: threading.Event
    done: int = 0
    failed: int = 0
    error: str | None = None
    busy: set[int] = field(default_factory=set)


class TimeRules:
    """Carries out the rules. `once` is called by one process at a time; the table of intents bears twice."""

    name = "rules"

    def __init__(
        self,
        policy: Policy,
        *,
        mirror: Mirror,
        issues: Issues,
        applications: Applications,
        writer: Writer,
        change: RuleChange,
        mail: RuleMail,
        archive: Archive,
        turns: Turns,
        told: Told,
    ) -> None:
        self._policy = policy
        self._told = told
        self._turns = turns
        self._mirror = mirror
        self._issues = issues
        self._applications = applications
        self._writer = writer
        self._change = change
        self._mail = mail
        self._archive = archive

    # ------------------------------------------------------------------ ask

    def due(self, rule: TimeRule) -> list[Due]:
        """Given a rule, return the issues for which it is due and has not acted, by the copy of Redmine."""
        now, acted = self._issues.clock(), self._applications.anchors(rule.name)
        rows = {
            row.id: row
            for row in self._issues.issues(closed=rule.when.closed)
            if row.mailbox in self._policy.mailboxes and fits(rule.when, row)
        }
        histories: dict[int, list[JournalRow]] = {}
        for entry in self._issues.journals(rows):
            histories.setdefault(entry.issue, []).append(entry)
        told = self._told.of(rows.values())
        found = []
        for row in rows.values():
            one = self._due(rule, row, histories.get(row.id, []), now, told(row))
            if one is not None and (one.issue, one.anchor) not in acted:
                found.append(Due(row, one, ", ".join(actions(rule.then))))
        return found

    def _due(
        self, rule: TimeRule, row: IssueRow, history: list[JournalRow], now: float, told: Asks
    ) -> Application | None:
        """Is the rule due for an issue? One whose history cannot be reckoned with is told of, and keeps no other."""
        try:
            calendar = self._policy.calendars.of(row.project)
            return due(rule, row, history, now, calendar, told=told)
        except Exception as error:  # noqa: BLE001 - the border of one issue
            kind = type(error).__name__
            log.error("rules.fault", issue=row.id, rule=rule.name, kind=kind, where=where(error))  # noqa: TRY400 - as in Turns
            self._issues.record(row.id, f'rule "{rule.name}": a fault of the bridge ({kind}), told in the log')
            return None

    def preview(self) -> list[Due]:
        """What the rules would do now, without doing it, after reading what has changed. Raise RedmineUnavailable."""
        self._mirror.refresh()
        return [one for rule in self._active() for one in self.due(rule)]

    def states(self) -> list[RuleState]:
        """The rules, with what they have done and are about to do, by the copy of Redmine."""
        tallies, found = self._applications.tallies(), []
        for rule in self._policy.rules:
            number = len(self.due(rule)) if rule.active else 0
            stopped = self._too_many(rule, number)
            found.append(RuleState(rule, told(rule), tallies.get(rule.name, Tally()), number, stopped))
        return found

    def _active(self) -> Iterator[TimeRule]:
        return (rule for rule in self._policy.rules if rule.active)

    def _too_many(self, rule: TimeRule, number: int) -> bool:
        return 0 < rule.at_most < number and not self._applications.released(rule.name)

    # ------------------------------------------------------------------ do

    def once(self, stop: threading.Event) -> StationResult:
        """End what is open, then apply each rule where it is due. Raise nothing of ours: it is in the result."""
        run = _Run(stop)
        try:
            left = self._applications.open()
            if left or any(self._active()):
                self._mirror.refresh(stop)
            for row in left:
                self._guarded(run, row.issue, partial(self._resume, run, row))
            for rule in self._active():
                self._apply_all(run, rule)
        except MailbridgeError as error:
            run.error = str(error)
        return StationResult(run.done, run.failed, run.error)

    def _apply_all(self, run: _Run, rule: TimeRule) -> None:
        found = self.due(rule)
        if self._too_many(rule, len(found)):
            run.error = run.error or (
                f'rule "{rule.name}" is due for {len(found)} issues, more than its at_most of {rule.at_most}: '
                f'nothing was done; see `rules preview`, then `rules release "{rule.name}"`'
            )
            self._applications.stop(rule.name, len(found))
            log.warning("rules.stopped", rule=rule.name, due=len(found), at_most=rule.at_most)
            return
        for one in found:
            if run.stop.is_set():
                return
            if one.issue.id not in run.busy:
                self._guarded(run, one.issue.id, partial(self._apply, run, rule, one.issue.id))
        self._applications.end_stop(rule.name)

    def _guarded(self, run: _Run, issue: int, work: Callable[[], None]) -> None:
        """Do one application; whatever it brings up ends only this one. Raise RedmineUnavailable when Redmine is away,
        StoreError.
        """

        def turn() -> int:
            try:
                work()
            except RedmineUnclear as error:
                run.failed += 1
                run.busy.add(issue)
                log.warning("rules.unclear", issue=issue, reason=str(error))
            except RedmineRefused as error:  # which stands on the record already
                run.failed += 1
                log.warning("rules.refused", issue=issue, reason=str(error))
            return 0

        _, ended = self._turns.take(issue, turn)
        run.failed += not ended

    def _apply(self, run: _Run, rule: TimeRule, number: int) -> None:
        """Apply a rule to an issue, if by Redmine's own word it is still due."""
        issue = self._mirror.reread(number)
        if issue is None:
            return
        history = self._issues.journals([number])
        calendar = self._policy.calendars.of(issue.project)
        told = self._told.of([issue])(issue)
        found = due(rule, issue, history, self._issues.clock(), calendar, told=told)
        if found is None or (found.issue, found.anchor) in self._applications.anchors(rule.name):
            return
        try:
            request = self._change.request(rule.then, issue, found)
            if request is not None:
                request, _ = self._writer.prepare_note(request)
        except RedmineRefused as error:
            self._applications.refuse(found, issue.mail_id, f'rule "{rule.name}" could not be applied: {error}')
            raise
        after = max((entry.id for entry in history), default=0)
        text = stamped(request.to_json()) if request is not None else None
        row = self._applications.intend(found, text, after)
        if row is None:
            return
        if request is not None:
            row = self._write(issue, row, request)
        self._end(run, issue, row)

    def _write(self, issue: IssueRow, row: Applied, request: NoteRequest) -> Applied:
        """Change Redmine and read back. Return the row; raise RedmineUnclear when it stays open."""
        try:
            self._writer.add_note(request)
            written = self._confirmed(row, request)
        except RedmineUnavailable as error:
            if not error.sent:  # else it is looked for
                self._applications.withdraw(row)
            raise
        except RedmineRefused as error:
            self._applications.fail(row, issue.mail_id, f'rule "{row.rule}" could not be applied: {error}')
            raise
        if written.journal is None:
            why = "; ".join(written.drift) or "Redmine changed nothing"
            self._applications.fail(row, issue.mail_id, f'rule "{row.rule}" could not be applied: {why}')
            raise RedmineRefused(why, status=204)
        return self._wrote(issue, row, written)

    def _confirmed(self, row: Applied, request: NoteRequest) -> Written:
        try:
            return self._writer.confirm_note([request], row.after_journal, self._others(row))
        except RedmineUnavailable as error:  # the change is there: only reading back failed
            raise RedmineUnclear(str(error), settle=False) from error

    def _wrote(self, issue: IssueRow, row: Applied, written: Written) -> Applied:
        for line in written.drift:
            log.warning("redmine.drift", issue=issue.id, rule=row.rule, line=line)
        line = f'rule "{row.rule}" applied: {row.reason}'
        return self._applications.wrote(row, written.journal, issue.mail_id, [line, *written.drift])

    def _end(self, run: _Run, issue: IssueRow, row: Applied) -> None:
        """Queue the mail that belongs to it, with what the issue is now, and end it."""
        rule = next((one for one in self._policy.rules if one.name == row.rule), None)
        lines = [f'rule "{row.rule}" applied: {row.reason}'] if row.outcome is None else []
        if rule is None:
            lines.append(f'rule "{row.rule}" is not in the settings any more: no mail')
        elif rule.then.mail is not None:
            now = self._mirror.reread(issue.id)
            line = "no mail: Redmine does not show the issue" if now is None else self._mail.queue(rule.then, now, row)
            lines += [line] if line else []
        self._applications.finish(row, issue.mail_id, lines)
        run.done += 1
        log.info("rules.applied", rule=row.rule, issue=row.issue, anchor=row.anchor, journal=row.journal)

    def _resume(self, run: _Run, row: Applied) -> None:
        """Find out what became of an application whose end is open, and go on from there."""
        issue = self._issues.get(row.issue)
        if issue is None:
            return
        if row.state is Stage.INTENDED:
            run.busy.add(row.issue)
            sent = row.request or "{}"
            if seconds_left(sent, self._policy.settle, partial(self._applications.rewrite, row)) > 0:
                return  # it may still be under way: looking is worth something later
            request = NoteRequest.from_json(sent)
            try:
                written = self._writer.confirm_note([request], row.after_journal, self._others(row), taken=False)
            except RedmineRefused as error:
                self._applications.fail(row, issue.mail_id, f'rule "{row.rule}" could not be applied: {error}')
                raise
            if written.journal is None:
                self._applications.withdraw(row)
                run.busy.discard(row.issue)
                return
            row = self._wrote(issue, row, written)
        self._end(run, issue, row)
        run.busy.discard(row.issue)

    def _others(self, row: Applied) -> Claimed:
        """The notes of the issue that others made."""
        return Claimed(lambda journal: self._archive.claimed_journal(journal, row.issue))

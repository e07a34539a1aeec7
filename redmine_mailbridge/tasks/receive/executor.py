"""Carries out a plan: once, whatever crashes.

    the user and the author → files uploaded, the request made to fit (preparation.py)
    → record the intent → send → (unclear? look; not there? record and send again) → watchers, relation
    → what Redmine did not take, in further notes (further_notes.py) → done

The intent is the request itself, with the newest issue (or note) that was there before it. Whoever finds it in the
store, this process or one after a crash, first looks in Redmine for what it may have made, and sends it again only when
it is not there (see once.py).
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.mail import Message, TextFormat
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.pending_replies import Earned
from redmine_mailbridge.model.plan import Issue, Plan
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.redmine.groups import Groups
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.newest import Mark
from redmine_mailbridge.redmine.write_intent import Job, Made, from_keywords
from redmine_mailbridge.redmine.writer import Writer, Written
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.acknowledgements import Answers
from redmine_mailbridge.tasks.receive.corrections import learn_dropped, renewed, with_category
from redmine_mailbridge.tasks.receive.further_notes import Further
from redmine_mailbridge.tasks.receive.once import Anew, Once, Sending, narrowed
from redmine_mailbridge.tasks.receive.preparation import Preparation, Prepared
from redmine_mailbridge.tasks.receive.result import Outcome

log = structlog.get_logger(__name__)

REFERENCES = ("tracker", "status", "priority", "category", "fixed_version")
"""The fields of an issue that bear the number of what has a name in Redmine."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How writing is done. `settle` in seconds; `marker_field` names the custom field that takes the Message-ID.

    `text_format` is the markup of the lines that the bridge adds.
    """

    settle: float
    marker_field: str | None = None
    text_format: TextFormat = "common_mark"


class CarryOut:
    """Writes plans to Redmine. Safe to share among threads; a mail is in one thread's hand at a time."""

    def __init__(
        self,
        store: Store,
        writer: Writer,
        directory: Directory,
        rules: Rules,
        *,
        groups: Groups,
        answers: Answers,
        stop: threading.Event,
    ) -> None:
        self._store = store
        self._writer = writer
        self._directory = directory
        self._answers = answers
        self._once = Once(store, writer, stop, rules.settle, rules.text_format)
        self._preparation = Preparation(
            writer, directory, groups, self._once.files, marker_field=rules.marker_field, text_format=rules.text_format
        )
        self._further = Further(store, writer, self._once, rules.text_format)

    def begin(
        self, row: MailRow, plan: Plan, project_name: str, message: Message, issue: Issue | None = None
    ) -> Outcome:
        """Given a mail, a plan that creates or notes, the identifier of the issue's project, and for a note the issue
        as it is, carry it out.

        Raise RedmineUnavailable (nothing was written), RedmineUnclear (it may have been; `resume` goes on from
        there), RedmineRefused (never written).
        """
        project = self._directory.project(project_name)
        if project is None:
            raise RedmineRefused(f'there is no project "{project_name}", or the bridge may not see it', status=404)
        authored = self._preparation.authored(plan, project, message)
        prepared = self._preparation.fitted(authored)
        job = self._intent(prepared, message, issue)
        outcome = self._send(Sending(row, job, prepared.lines), message)
        return replace(outcome, plan=prepared.plan)

    def resume(self, row: MailRow, message: Message) -> Outcome | None:
        """Given a mail whose intent is recorded, find out what became of it, and go on. Raise as `begin` does.

        Return None when nothing of it is there and its intent is of no use any more: the mail is as if it came now.
        """
        if (wait := self._once.wait(row)) > 0:
            return self._unsettled(row, wait)
        job = self._once.intended(row)
        if job.first is None and job.refused and self._once.look(row, job) is None:
            self._store.withdraw(row.id)
            learn_dropped(job, self._directory)
            return None
        try:
            other = narrowed if job.wide else None
            return self._send(Sending(row, job, doubtful=True, fresh=False, other=other), message)
        except Anew:
            return None

    def adopt(self, row: MailRow, message: Message) -> Outcome | None:
        """Given a mail that is to be set aside, find what its tries may have made. Return None when that is nothing.

        What is found is only recorded: what more was to be done to it may be what fails.
        """
        if (wait := self._once.wait(row)) > 0:
            return self._unsettled(row, wait)
        job = self._once.intended(row)
        written = self._once.look(row, job)
        if written is None:
            return None
        if job.first is not None:  # the last note is found, or something of the mail is missing
            return None if job.rest else self._done_with_notes(row, job, message, ())
        if self._further.begin(row, job, written, written.drift) is not None:
            return None
        found = f"found after {row.tries} tries that failed"
        lines = (*written.drift, f"{_made(job, written)}, {found}")
        adopted = replace(job, reason=f"{job.told}; {found}")
        return self._done(row, adopted, message, job.has_made(written.issue, written.journal), lines)

    def _unsettled(self, row: MailRow, wait: float) -> Outcome:
        reason = "the last request's result is unknown: looking when it has settled"
        at = self._store.defer(row.id, reason, after=wait, counts=False)
        return Outcome(row, State.WRITING, reason, retry_at=at)

    def _intent(self, prepared: Prepared, message: Message, issue: Issue | None) -> Job:
        """Given a request that is ready, and for a note the issue as it is, return what `Once.send` records before it
        sends it.
        """
        plan, request, fitted = prepared.plan, prepared.request, prepared.fitted
        people = [plan.requester.address, *(person.address for person in message.cc)]
        job = Job(
            request,
            str(plan),
            plan.watchers,
            participants=tuple(address for address in people if address),
            named=tuple(dict.fromkeys(person.key for person in (*message.to, *message.cc) if person.key)),
            amendable=tuple(sorted(set(request.attributes) - from_keywords(plan))),
            earned=Earned.by(plan),
            requester=plan.requester.name,
            related=plan.related_issue,
            machine=plan.machine,
            proven=plan.proven,
            claims=plan.claims,
            names={f"{name}_id": plan.fields.names[name] for name in REFERENCES if name in plan.fields.names},
            words=prepared.words,
            rest=fitted.rest,
            limit=plan.text_limit,
            in_file=fitted.in_file,
        )
        if issue is None:  # `Once.send` looks for the newest issue
            return job
        newest = issue.newest_journal
        return job.marked(Mark(self._writer.look.newest_journal(issue.id) if newest is None else newest), issue.noted)

    def _send(self, sending: Sending, message: Message) -> Outcome:
        """Given a job on its way, send what is not there yet, complete it, and record the mail as done."""
        row = sending.row
        if sending.job.first is None:  # the request itself; else one of its further notes
            written = self._once.send(sending)
            job, written, completed = self._complete(sending.job, written)
            lines = (*sending.lines, *completed)
            notes = self._further.begin(row, job, written, lines)
            if notes is None:
                return self._done(row, job, message, job.has_made(written.issue, written.journal), lines)
            sending = Sending(row, notes)
        last = self._further.write(sending)
        return self._done_with_notes(row, last, message, sending.lines)

    def _complete(self, job: Job, written: Written) -> tuple[Job, Written, tuple[str, ...]]:
        """Given a job that is carried out, set what Redmine did not take with it, watchers and relation. Return both as
        they are then, and lines for the mail's record.

        A crash in here does no harm: all of it may be done twice.
        """
        written = renewed(job, written, self._writer, self._directory)
        allowed = tuple(name for name in written.dropped if name in job.amendable)
        if job.request.as_login is not None and allowed:
            written = self._writer.amend(job.request, replace(written, dropped=allowed))
        job, written = with_category(job, written, self._writer)
        job = replace(job, reason=job.told)
        lines = list(written.drift)
        for user_id in job.watchers:
            why_not = self._writer.add_watcher(written.issue, user_id)
            if why_not is not None:
                lines.append(why_not)
        if job.creates and job.related is not None:
            lines.append(self._writer.add_relation(written.issue, job.related))
        for line in written.drift:
            log.warning("redmine.drift", issue=written.issue, line=line)
        return job, written, (*lines, _made(job, written))  # why stands in the record already, as it was decided

    def _done_with_notes(self, row: MailRow, job: Job, message: Message, lines: Sequence[str]) -> Outcome:
        """The last further note of a mail is there."""
        assert job.first is not None, "a further note comes after something"  # noqa: S101 - the callers have looked
        return self._done(row, job, message, job.first, (*lines, f"further notes on #{job.first.issue} made"))

    def _done(self, row: MailRow, job: Job, message: Message, made: Made, lines: Sequence[str]) -> Outcome:
        self._store.done(
            row.id,
            job.reason,
            issue=made.issue,
            created=made.created,
            number_again=made.again,
            journal=made.journal,
            participants=job.participants,
            lines=lines,
            answers=self._answers.to(row, message, job.earned, issue=made.issue),
        )
        return Outcome(row, State.DONE, job.reason, issue=made.issue, journal=made.journal)


def _made(job: Job, written: Written) -> str:
    """What was made, in one phrase."""
    return f"issue #{written.issue} made" if job.creates else f"note on #{written.issue} made"

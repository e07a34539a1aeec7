"""Carries out a plan: once, whatever crashes.

    upload files → record the intent → send → (unclear? look; not there? record and send again) → watchers
    → what Redmine did not take, in further notes (further_notes.py) → done

The intent is the request itself, with the newest issue (or note) that was there before it. Whoever finds it in the
store, this process or one after a crash, first looks in Redmine for what it may have made, and sends it again only when
it is not there (see once.py).
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from redmine_mailbridge.errors import RedmineRefused, UnknownLogin
from redmine_mailbridge.model.mail import Message, TextFormat
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.pending_replies import Earned
from redmine_mailbridge.model.plan import Action, Issue, Plan, Project
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.policy.issue_text import named
from redmine_mailbridge.redmine.groups import Groups
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.newest import Mark
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest, issue_request, note_request
from redmine_mailbridge.redmine.write_intent import Job, Made, Word, from_keywords, words_of
from redmine_mailbridge.redmine.writer import Writer, Written
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.acknowledgements import Answers
from redmine_mailbridge.tasks.receive.corrections import learn_dropped, renewed, with_category
from redmine_mailbridge.tasks.receive.further_notes import Further
from redmine_mailbridge.tasks.receive.once import Anew, Once, Sending, narrowed
from redmine_mailbridge.tasks.receive.private_issue import kept_private
from redmine_mailbridge.tasks.receive.result import Outcome
from redmine_mailbridge.tasks.receive.uploads import Fitted

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
        self._groups = groups
        self._rules = rules
        self._answers = answers
        self._once = Once(store, writer, stop, rules.settle, rules.text_format)
        self._files = self._once.files
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
        plan, lines = self._with_user(plan)
        lines = [*plan.steps, *lines]
        author, own = self._author(plan, message), self._directory.people.me().user.id
        plan, author, changed = kept_private(plan, project, self._directory, author, self._rules.text_format)
        lines += changed
        plan = replace(plan, marker=plan.marker or message.message_id)
        plan, uploads, said = self._files.uploaded(plan)
        lines += said
        request: IssueRequest | NoteRequest
        may_note = self._directory.may(self._directory.people.me().rights, "add_issue_notes", project)
        words = words_of(plan, project)
        if words and not may_note:  # where they set nothing, no note could tell
            plan, words = _with_lines(plan, words), ()
        if plan.action is Action.CREATE:
            field = self._rules.marker_field
            marker = project.custom_fields.get(field.lower()) if field else None
            whole = issue_request(plan, project, uploads, author_id=author, marker_field=marker, own_id=own)
            request, fitted = self._fitted_issue(whole, plan, project, may_note=may_note)
        else:
            whole_note = note_request(plan, project, uploads, author_id=author, own_id=own)
            note, changed = self._writer.prepare_note(whole_note)
            if plan.act_as is not None and note.as_login is None:
                who = named(plan.requester, (), None, self._rules.text_format)
                note = replace(note, attributes={**note.attributes, "notes": f"{who}\n\n{note.notes}".strip()})
            request, fitted = self._files.fitted(note, plan)
            lines += changed
        if fitted.rest and not may_note:
            raise _no_place("all of its text", project, fitted.refused)
        people = [plan.requester.address, *(person.address for person in message.cc)]
        amendable = tuple(sorted(set(request.attributes) - from_keywords(plan)))
        job = Job(
            request,
            str(plan),
            plan.watchers,
            tuple(address for address in people if address),
            amendable,
            Earned.by(plan),
            plan.requester.name,
            plan.related_issue,
            plan.machine,
            plan.proven,
            plan.claims,
            names={f"{name}_id": plan.fields.names[name] for name in REFERENCES if name in plan.fields.names},
            words=words,
            rest=fitted.rest,
            limit=plan.text_limit,
            in_file=fitted.in_file,
        )
        if issue is not None:
            newest = issue.newest_journal
            job = job.marked(
                Mark(self._writer.look.newest_journal(issue.id) if newest is None else newest), issue.noted
            )
        outcome = self._carry(Sending(row, job, (*lines, *fitted.lines)), message)
        return replace(outcome, plan=plan)

    def _fitted_issue(
        self, request: IssueRequest, plan: Plan, project: Project, *, may_note: bool
    ) -> tuple[IssueRequest, Fitted]:
        """Given a new issue, make it fit. Its text goes along as a file where its tracker takes no description, and no
        note of ours could hold it. Raise RedmineRefused where that cannot be either.
        """
        tracker = request.attributes.get("tracker_id") or next(iter(project.trackers.values()), 0)
        request, fitted = self._files.fitted(request, plan)
        if may_note or fitted.in_file or fitted.rest or self._directory.takes(int(tracker), "description"):
            return request, fitted
        request, text = self._files.with_text(request, plan)
        if text.refused:
            name = next((name for name, number in project.trackers.items() if number == tracker), str(tracker))
            raise _no_place(f'its text: the tracker "{name}" has no description', project, text.refused)
        return request, replace(fitted, in_file=True, lines=(*fitted.lines, *text.lines))

    def resume(self, row: MailRow, message: Message) -> Outcome | None:
        """Given a mail whose intent is recorded, find out what became of it, and go on. Raise as `begin` does.

        Return None when nothing of it is there and its intent is of no use any more: the mail is as if it came now.
        """
        if (wait := self._once.wait(row)) > 0:
            return self._unsettled(row, wait)
        job = self._once.intended(row)
        sending = Sending(row, job, doubtful=True, fresh=False, other=narrowed if job.wide else None)
        if job.first is None and job.refused and self._once.look(row, job) is None:
            self._store.withdraw(row.id)
            learn_dropped(job, self._directory)
            return None
        try:
            return self._carry(sending, message)
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
        if job.first is not None:  # the last note is found, or something of the mail is missing
            return self._end(row, job, message, []) if written is not None and not job.rest else None
        if written is None or self._further.begin(row, job, written, written.drift) is not None:
            return None
        found = f"found after {row.tries} tries that failed"
        lines = (*written.drift, f"{_made(job, written)}, {found}")
        adopted = replace(job, reason=f"{job.told}; {found}")
        return self._done(row, adopted, message, job.has_made(written.issue, written.journal), lines)

    def _unsettled(self, row: MailRow, wait: float) -> Outcome:
        reason = "the last request's result is unknown: looking when it has settled"
        at = self._store.defer(row.id, reason, after=wait, counts=False)
        return Outcome(row, State.WRITING, reason, retry_at=at)

    def _carry(self, sending: Sending, message: Message) -> Outcome:
        if sending.job.first is not None:
            return self._end(sending.row, self._further.write(sending), message, sending.lines)
        written = self._once.send(sending)
        return self._finish(sending.row, sending.job, message, written, sending.lines)

    def _finish(self, row: MailRow, job: Job, message: Message, written: Written, lines: Sequence[str]) -> Outcome:
        written = renewed(job, written, self._writer, self._directory)
        allowed = tuple(name for name in written.dropped if name in job.amendable)
        if job.request.as_login is not None and allowed:
            written = self._writer.amend(job.request, replace(written, dropped=allowed))
        job, written = with_category(job, written, self._writer)
        job = replace(job, reason=job.told)
        said = [*lines, *written.drift]
        for user_id in job.watchers:
            why_not = self._writer.add_watcher(written.issue, user_id)
            if why_not is not None:
                said.append(why_not)
        if job.creates and job.related is not None:
            said.append(self._writer.add_relation(written.issue, job.related))
        for line in written.drift:
            log.warning("redmine.drift", issue=written.issue, line=line)
        said.append(_made(job, written))  # why stands in the record already, as it was decided
        tail = self._further.begin(row, job, written, tuple(said))
        if tail is not None:
            return self._end(row, self._further.write(Sending(row, tail)), message, ())
        return self._done(row, job, message, job.has_made(written.issue, written.journal), said)

    def _end(self, row: MailRow, job: Job, message: Message, lines: Sequence[str]) -> Outcome:
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

    def _with_user(self, plan: Plan) -> tuple[Plan, list[str]]:
        """Given a plan, make its user and let the sender's user join its groups. Return it with the user's login."""
        people, lines = self._directory.people, []
        user = people.by_address(plan.requester.key) if plan.groups and plan.new_user is None else None
        if plan.new_user is not None:
            user = people.create(plan.new_user)
            lines.append(f"user {user.login} made for {plan.new_user.mail}")
            if plan.act_as == plan.new_user.login:
                plan = replace(plan, act_as=user.login)
        if user is not None:
            lines += [f"user {user.login} {line}" for line in self._groups.join(user.id, plan.groups)]
        return plan, lines

    def _author(self, plan: Plan, message: Message) -> int | None:
        """The id of the user that the plan acts as, the sender's or any other; None for the bridge's own."""
        if plan.act_as is None:
            return None
        user = self._directory.people.by_address(message.sender.key)
        if user is None or user.login != plan.act_as:
            user = self._directory.people.by_login(plan.act_as)
        if user is None:  # what it wrote could not be told from what others write
            raise UnknownLogin(f"nobody is known any more by the login {plan.act_as} to act as")
        return user.id


def _with_lines(plan: Plan, words: Sequence[Word]) -> Plan:
    """Given a plan, return it with the keyword lines in its text."""
    lines = "\n".join(word.line for word in words)
    return replace(plan, text=f"{lines}\n\n{plan.text}")


def _no_place(what: str, project: Project, refused: str) -> RedmineRefused:
    """The refusal of a mail that has no place in Redmine, before anything is made."""
    return RedmineRefused(
        f"Redmine would not take {what}, in project {project.identifier}. It takes no file in its place ({refused}), "
        f"and the bridge's own user may add no notes there: give it the permission to, or allow files of type txt",
        status=403,
    )


def _made(job: Job, written: Written) -> str:
    """What was made, in one phrase."""
    return f"issue #{written.issue} made" if job.creates else f"note on #{written.issue} made"

"""Carries out a plan: once, whatever crashes.

    upload files → record the intent → send → (unclear? look; not there? record and send again) → watchers → done

The intent is the request itself. Whoever finds it in the store, this process or one after a crash, first looks in
Redmine for what it may have made, and sends it again only when it is not there.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from redmine_mailbridge.errors import RedmineError, RedmineRefused, RedmineUnclear, TokenSpent
from redmine_mailbridge.mail.message import Message, TextFormat
from redmine_mailbridge.redmine.directory import Directory
from redmine_mailbridge.redmine.fit import may_be_wide
from redmine_mailbridge.redmine.groups import Groups
from redmine_mailbridge.redmine.request import IssueRequest, NoteRequest, issue_request, note_request
from redmine_mailbridge.redmine.write import Writer, Written
from redmine_mailbridge.routing.plan import Action, Plan
from redmine_mailbridge.routing.text import named
from redmine_mailbridge.store.ask import Archive
from redmine_mailbridge.store.life import State
from redmine_mailbridge.store.rows import MailRow
from redmine_mailbridge.store.store import Store
from redmine_mailbridge.tasks.answer import Answers, Earned
from redmine_mailbridge.tasks.claimed import Claimed, moment
from redmine_mailbridge.tasks.files import Files
from redmine_mailbridge.tasks.job import Job, from_keywords
from redmine_mailbridge.tasks.outcome import Outcome

log = structlog.get_logger(__name__)

IN_HAND_TRIES = 3
NARROWED = "4-byte characters replaced: this Redmine's database does not take them; the raw mail keeps them"


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
        self._archive = Archive(store.database)
        self._writer = writer
        self._directory = directory
        self._groups = groups
        self._rules = rules
        self._answers = answers
        self._stop = stop
        self._files = Files(writer, self._tries)

    def begin(self, row: MailRow, plan: Plan, project_name: str, message: Message) -> Outcome:
        """Given a mail, a plan that creates or notes, and the identifier of the issue's project, carry it out.

        Raise RedmineUnavailable (nothing was written), RedmineUnclear (it may have been; `resume` goes on from
        there), RedmineRefused (never written).
        """
        project = self._directory.project(project_name)
        if project is None:
            raise RedmineRefused(f'there is no project "{project_name}", or the bridge may not see it', status=404)
        plan, lines = self._with_user(plan)
        lines = [*plan.steps, *lines]
        plan = replace(plan, marker=plan.marker or message.message_id)
        plan, uploads, said = self._files.uploaded(plan)
        lines += said
        request: IssueRequest | NoteRequest
        author = self._author(plan, message)
        if plan.action is Action.CREATE:
            marker = project.custom_fields.get((self._rules.marker_field or "").lower())
            whole = issue_request(plan, project, uploads, author_id=author, marker_field=marker)
            request, more = self._files.fitted(whole, plan)
        else:
            note, changed = self._writer.prepare_note(note_request(plan, project, uploads, author_id=author))
            if plan.act_as is not None and note.as_login is None:
                who = named(plan.requester, (), None, self._rules.text_format)
                note = replace(note, attributes={**note.attributes, "notes": f"{who}\n\n{note.notes}".strip()})
            request, more = self._files.fitted(note, plan)
            lines += changed
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
        )
        outcome = self._carry(row, job, message, (*lines, *more), look_first=False)
        return replace(outcome, plan=plan)

    def resume(self, row: MailRow, message: Message) -> Outcome:
        """Given a mail whose intent is recorded, find out what became of it, and go on. Raise as `begin` does."""
        job = Job.from_json(row.request or "{}")
        wait = (row.last_sent_at or 0.0) + self._rules.settle - self._store.clock()
        if wait > 0:
            reason = "the last request's result is unknown: looking when it has settled"
            at = self._store.defer(row.id, reason, after=wait, counts=False)
            return Outcome(row, State.WRITING, reason, retry_at=at)
        try:
            return self._carry(row, job, message, (), look_first=True)
        except TokenSpent:
            # Either an earlier request took the files after we had looked, or Redmine has forgotten them.
            written = self._look(job, row.first_sent_at or 0.0)
            if written is not None:
                return self._finish(row, job, message, written, ())
            job = job.with_uploads(tuple(self._files.again(job, message)))
            return self._carry(row, job, message, ("files uploaded again",), look_first=True)

    def adopt(self, row: MailRow, message: Message) -> Outcome | None:
        """Given a mail that is to be set aside, find what its tries may have made. Return None when that is nothing.

        What is found is only recorded: what more was to be done to it may be what fails.
        """
        job = Job.from_json(row.request or "{}")
        written = self._look(job, row.first_sent_at or 0.0)
        if written is None:
            return None
        reason = f"{job.reason}; found after {row.tries} tries that failed"
        self._store.done(
            row.id,
            reason,
            issue=written.issue,
            created=job.creates,
            journal=written.journal,
            participants=job.participants,
            answers=self._answers.to(row, message, job.earned, issue=written.issue),
            lines=(*written.drift, reason),
        )
        return Outcome(row, State.DONE, reason, issue=written.issue, journal=written.journal)

    # ------------------------------------------------------------------ write once

    def _carry(self, row: MailRow, job: Job, message: Message, lines: Sequence[str], *, look_first: bool) -> Outcome:
        """Look where something may be, else record and send; a plain failure inside Redmine is retried in hand."""
        since = row.first_sent_at if look_first else None
        for attempt in self._tries():
            with attempt:
                written = None if since is None else self._look(job, since)
                if written is not None:
                    return self._finish(row, job, message, written, lines)
                sent = self._store.intend(row.id, job.to_json(), lines)
                lines, since = (), since if since is not None else sent
                try:
                    written = self._send(job, sent)
                except RedmineError as error:
                    if may_be_wide(job.request, error):
                        job, lines = job.narrowed(), (NARROWED,)
                    elif isinstance(error, RedmineRefused) and error.status == 422 and (softer := job.softer()):
                        job, left_out = softer
                        lines = (f"{error}: sent again without {', '.join(left_out)}",)
                        raise _Softened(str(error), status=422) from error
                    raise
                return self._finish(row, job, message, written, lines)
        raise AssertionError("tenacity ends by a result or an error")

    def _tries(self) -> Retrying:
        """A plain failure inside Redmine, as of a locked database, is tried again in hand."""
        return Retrying(
            stop=stop_after_attempt(IN_HAND_TRIES),
            wait=wait_random_exponential(multiplier=0.3, max=3.0),
            retry=retry_if_exception(self._worth_another),
            sleep=self._pause,
            reraise=True,
            before_sleep=_say_again,
        )

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _worth_another(self, error: BaseException) -> bool:
        """Is it a failure that has ended inside Redmine, so that a look tells the truth at once?"""
        if isinstance(error, _Softened):
            return True
        if isinstance(error, RedmineRefused):
            return "incorrect string value" in str(error).lower()
        return (
            isinstance(error, RedmineUnclear)
            and not isinstance(error, TokenSpent)
            and not error.settle
            and not self._stop.is_set()
        )

    def _send(self, job: Job, since: float) -> Written:
        if isinstance(job.request, IssueRequest):
            return self._writer.create_issue(job.request)
        self._writer.add_note(job.request)
        written = self._writer.confirm_note(job.request, moment(since), Claimed(self._archive.claimed_journal))
        if written.journal is None and (job.request.notes.strip() or job.request.uploads):
            raise RedmineRefused("; ".join(written.drift), status=204)  # success, and nothing written
        return written

    def _look(self, job: Job, since: float) -> Written | None:
        """Given what may have been written since then, return it when it is there and no other mail's."""
        look = self._writer.look
        if isinstance(job.request, IssueRequest):
            number = look.find_issue(job.request, moment(since), Claimed(self._archive.claimed_issue))
            return None if number is None else self._writer.adopt_issue(job.request, number)
        claimed = Claimed(self._archive.claimed_journal)
        if look.find_note(job.request, moment(since), claimed) is None:
            return None
        return self._writer.confirm_note(job.request, moment(since), claimed)

    def _finish(self, row: MailRow, job: Job, message: Message, written: Written, lines: Sequence[str]) -> Outcome:
        allowed = tuple(name for name in written.dropped if name in job.amendable)
        if job.request.as_login is not None and allowed:
            written = self._writer.amend(job.request, replace(written, dropped=allowed))
        said = [*lines, *written.drift]
        for user_id in job.watchers:
            why_not = self._writer.add_watcher(written.issue, user_id)
            if why_not is not None:
                said.append(why_not)
        if job.creates and job.related is not None:
            said.append(self._writer.add_relation(written.issue, job.related))
        for line in written.drift:
            log.warning("redmine.drift", issue=written.issue, line=line)
        line = f"issue #{written.issue}: {job.reason}" if job.creates else f"note on #{written.issue}: {job.reason}"
        self._store.done(
            row.id,
            job.reason,
            issue=written.issue,
            created=job.creates,
            journal=written.journal,
            participants=job.participants,
            lines=(*said, line),
            answers=self._answers.to(row, message, job.earned, issue=written.issue),
        )
        return Outcome(row, State.DONE, job.reason, issue=written.issue, journal=written.journal)

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
        """The id of the user that the plan acts as; None for the bridge's own."""
        if plan.act_as is None:
            return None
        user = self._directory.people.by_address(message.sender.key)
        return user.id if user is not None and user.login == plan.act_as else None


class _Softened(RedmineRefused):
    """Redmine refuses it as it was; it is sent again without what it can do without."""


def _say_again(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("redmine.again", attempt=state.attempt_number, reason=str(error))

"""The mail of a time-based rule: its recipients and its template variables."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from redmine_mailbridge.model.mail import Address, TextFormat
from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.issue_mail.mail import NO_QUESTION, IssueMail, Variables
from redmine_mailbridge.outgoing.personal_names import as_written
from redmine_mailbridge.outgoing.reasons import RuleReason
from redmine_mailbridge.policy.note_commands import parse
from redmine_mailbridge.redmine.issue_visibility import VisibleIssue
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.responses import utc
from redmine_mailbridge.settings.time_rules import RuleThen
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueRow
from redmine_mailbridge.store.rule_runs import RuleRun
from redmine_mailbridge.tasks.update.mailed_notes import MailedNotes
from redmine_mailbridge.tasks.update.note_content import user_names
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.outgoing.rendering import note as rendering
else:  # a pass in which no rule sends mail needs none of the libraries
    rendering = lazy_import("redmine_mailbridge.outgoing.rendering.note")


class MailQueue(Protocol):
    """Queues mail about an issue: `outgoing.issue_mail.mailer.IssueMailer`."""

    def queue(self, mail: IssueMail) -> str:
        """Queue a mail, once per kind, issue and key. Return the line for the history."""


class RuleMail:
    """Queues the mails of rules. `mailed_notes` says which notes customers received, `markers` are the markers of notes
    to mail, by mailbox; `redmine_url` is Redmine's address. `IssueMailer` checks whether the customer may receive mail
    about the issue.
    """

    def __init__(
        self,
        post: MailQueue,
        metadata: MetadataCache,
        issues: IssueCopy,
        *,
        mailed_notes: MailedNotes,
        markers: Mapping[str, str],
        text_format: TextFormat,
        redmine_url: str,
    ) -> None:
        self._post = post
        self._metadata = metadata
        self._issues = issues
        self._mailed_notes = mailed_notes
        self._markers = markers
        self._text_format = text_format
        self._redmine_url = redmine_url

    def queue(self, then: RuleThen, issue: IssueRow, row: RuleRun) -> str | None:
        """Given a rule's actions, the current issue, and the rule run, queue the mail; a repeated call has no effect.

        Return the line for the history; None when the rule sends no mail.
        """
        if then.mail is None:
            return None
        if then.mail == "closed" and not issue.closed:
            return "no closed mail: the issue is not closed"
        people = [person for name in then.mail_to if (person := self._person(name, issue)) is not None]
        entry = self._mailed_entry(issue, row) if then.mail == "closed" else None
        key = f"j{entry}" if entry is not None else f"{row.rule} after {row.trigger_event}"
        variables: Variables = {"rule": row.rule, "reason": RuleReason(row.reason)}
        if then.mail == "closed":
            variables = {"note": self._note(row)}
        if then.mail == "reminder":
            variables = partial(self._of_reminder, issue, row)
        return self._post.queue(IssueMail(then.mail, issue, key, people, variables))

    def _mailed_entry(self, issue: IssueRow, row: RuleRun) -> int | None:
        """The entry of the history that closed the issue, or holds the rule's public note; None if there is none. It is
        the key in agent_notes.py too, so that the two never mail one closing twice. Redmine splits a private note from
        the change that came with it, and no mail about a private entry is sent.
        """
        if row.journal is None:
            return None
        own = [
            journal for journal in self._issues.journals([issue.id]) if row.after_journal < journal.id <= row.journal
        ]
        shown = [journal for journal in reversed(own) if not journal.private]
        return next(
            (journal.id for journal in shown if journal.id == row.journal or journal.status_to is not None), None
        )

    def _of_reminder(self, issue: IssueRow, row: RuleRun, visible: VisibleIssue) -> Mapping[str, Any]:
        question = self._question(issue, row.trigger_event, visible)
        return {"rule": row.rule, "reason": RuleReason(row.reason), "question": question}

    def _question(self, issue: IssueRow, trigger_event: int, visible: VisibleIssue) -> Mapping[str, Any]:
        """The question to the customer: the newest agents' note up to the event that the rule counts from that the
        customer received by mail and that is still public.
        """
        was_mailed = self._mailed_notes.of([issue])(issue)
        question_ids = {
            journal.id
            for journal in self._issues.journals([issue.id])
            if journal.side == "agent" and journal.id <= trigger_event and was_mailed(journal.id)
        }
        shown = (visible.journal(int(entry["id"])) for entry in reversed(visible.issue_data.get("journals", ())))
        entry = next(
            (entry for entry in shown if entry and int(entry["id"]) in question_ids and entry.get("notes")), {}
        )
        if not entry:
            return NO_QUESTION
        notes, written = str(entry.get("notes") or ""), utc(entry.get("created_on"))
        asked = parse(notes, marker=self._markers.get(issue.mailbox, "")).text
        rendered = self._rendered(asked)
        return {
            "journal": int(entry["id"]),
            "text": rendered.text,
            "html": rendered.html,
            "author": as_written(str((entry.get("user") or {}).get("name", ""))),
            "date": Moment.of(written.timestamp() if written is not None else None),
        }

    def _rendered(self, note: str) -> "rendering.RenderedNote":
        """A note as a mail shows it, as in agents' answers: links into Redmine as words, users by their names."""
        context = rendering.NoteContext(self._redmine_url, user_names(self._metadata.people))
        return rendering.render(note, self._text_format, context)

    def _person(self, name: str, issue: IssueRow) -> Address | None:
        if name == "requester":
            return Address(issue.requester_name, issue.requester)
        if name != "assignee":
            return Address("", name)
        person = self._metadata.people.by_id(issue.assignee_id) if issue.assignee_id is not None else None
        return Address(issue.assignee or "", person.user.mail) if person is not None and person.user.mail else None

    def _note(self, row: RuleRun) -> dict[str, Any]:
        request = NoteRequest.from_json(row.request) if row.request else None
        text = request.notes if request is not None and not request.private else ""
        rendered = self._rendered(text)
        return {
            "text": rendered.text,
            "html": rendered.html,
            "author": "",
            "signed": False,
            "date": Moment.of(row.changed_at),
            "left_out": [],
        }

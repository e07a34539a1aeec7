"""Agents' answers: an agent's note on an issue that came by mail is sent to the requester by mail, once.

Each journal is decided once (store/note_decisions.py), in the transaction that queues its mails. Their Message-IDs are
derived from the journal's ID, so that a note has the same Message-ID even after the database was lost. A note that
exceeds a rate limit is decided later. The decision uses the note as it is at that time; a note that has been made
private or deleted is not sent.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.model.mail import Address, TextFormat
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.outgoing.addresses import comparable, mailable
from redmine_mailbridge.outgoing.conversation import Conversation
from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.issue_mail.mail import IssueMail, ReadableIssue
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.outgoing.personal_names import as_written, is_signed
from redmine_mailbridge.outgoing.recipients import NotifiedBy, Recipients
from redmine_mailbridge.outgoing.template_variables import CustomFieldValues
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.facts import read_issue
from redmine_mailbridge.redmine.issue_visibility import VisibleIssue, visible_issue
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.responses import utc
from redmine_mailbridge.redmine.rights import sees
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueRow
from redmine_mailbridge.store.note_decisions import NoteDecision, NoteDecisions, RateLimited
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.tasks.update.delivery_failures import DeliveryFailures
from redmine_mailbridge.tasks.update.held_answers import HeldAnswers
from redmine_mailbridge.tasks.update.issue_sync import IssueSync
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from redmine_mailbridge.tasks.update.note_content import NoteContent, NoteContentComposer
from redmine_mailbridge.tasks.update.note_filter import AgentNote, NoteMailPolicy, closes, note_to_mail

log = structlog.get_logger(__name__)

SHOWN = 20
"""How many addresses a note to the agents lists."""


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
        mailings: Mapping[str, NoteMailPolicy],
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
        self._text_format = text_format
        self._content = NoteContentComposer(client, metadata.people, text_format)

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
            notes, unwritten = self._delivery_failures.once()
            return TaskStepResult(done + notes, failed + unwritten)
        except MailbridgeError as error:
            log.warning("answers.interrupted", reason=str(error))
            return TaskStepResult(done, failed, str(error))

    def _pending(self, mailbox: str, mailing: NoteMailPolicy) -> Iterator[tuple[int, list[int]]]:
        """The issues of a mailbox with their undecided journals. Issues to which a mail is being written wait, since
        the newest note may be that mail's.
        """
        notes, closed = (
            self._begun(f"{mailbox}:{what}", on=on and mailbox in self._mailer.profiles)
            for what, on in (("notes", mailing.notes != "never"), ("closed", mailing.closed))
        )
        if notes is None and closed is None:
            return
        requests = [WriteIntent.from_json(intent).request for intent in self._decisions.being_written()]
        busy = {request.issue for request in requests if isinstance(request, NoteRequest)}
        undecided = self._decisions.undecided(mailbox, notes=notes, closed=closed)
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
        shown = {int(entry["id"]): entry for entry in visible.issue_data.get("journals", ())}
        known = {journal.id: journal for journal in self._issues.journals([number])}
        queued = 0
        for journal_id in journal_ids:
            entry = shown.get(journal_id)
            by_agent = known[journal_id].side == "agent"
            if entry is None:
                self._decisions.decide(NoteDecision(journal_id, number, 0.0, f"note {journal_id}: it no longer exists"))
                continue
            try:
                queued += self._journal(row, visible, entry, mailing, by_agent=by_agent)
            except RateLimited as error:
                log.info("answers.held_back", issue=number, journal=journal_id, reason=str(error))
                if by_agent:
                    self._held.report_note(row, journal_id, error)
                    break  # later notes of this issue wait for it
        return queued

    def _journal(
        self, row: IssueRow, visible: VisibleIssue, entry: Mapping[str, Any], mailing: NoteMailPolicy, *, by_agent: bool
    ) -> int:
        """Decide one journal. Return the number of mails queued. Raise RateLimited when it must wait."""
        number, issue_data = int(entry["id"]), visible.issue_data
        author = str((entry.get("user") or {}).get("name", ""))
        note_or_reason = note_to_mail(mailing, entry, list(issue_data.get("attachments", ())), by_agent=by_agent)
        statuses = self._metadata.statuses()
        closing = (
            mailing.closed and closes(entry, statuses.closed) and bool(issue_data["status"].get("is_closed", True))
        )
        what = f"note {number} by {author}" if by_agent else f"entry {number}"

        def not_mailed(why: str, notices: Sequence[NewNotice] = (), notified_by: NotifiedBy = None) -> int:
            line = f"{what}: not mailed: {why}"
            on_record = by_agent and mailing.notes != "never"
            decision = NoteDecision(number, row.id, 0.0, line, notified_by)
            self._decisions.decide(decision, mail_id=row.mail_id, notices=notices, on_record=on_record)
            if row.mail_id is None:  # no message has a history that says it
                log.info("answers.not_mailed", issue=row.id, journal=number, reason=line)
            return 0

        has_agent_note = by_agent and isinstance(note_or_reason, AgentNote)
        if not has_agent_note and not closing:
            return not_mailed(note_or_reason if isinstance(note_or_reason, str) else "it was written by the bridge")
        if not row.requester and row.mail_id is None:
            return not_mailed("the issue names no requester that mail can be sent to")
        former = self._decisions.former_requesters(row.id)
        conversation = self._mailer.conversation(row, visible).without(former)
        people = self._people(row, visible, entry, mailing, conversation)
        if not people.to and not people.cc:
            return not_mailed(people.why_nobody, self._notices(people), people.notified_by(row.requester))
        note = note_or_reason if isinstance(note_or_reason, AgentNote) else AgentNote()
        content = self._content.compose(note, mailing, self._mailer.profiles[row.mailbox].redmine_url)
        variables = self._variables(content, entry, visible, by_agent=by_agent)
        mail = IssueMail(
            "answer" if has_agent_note else "closed",
            row,
            f"j{number}",
            people.to,
            variables,
            cc=people.cc,
            files=tuple(content.files),
            template="closed" if closing else "answer",
        )
        composed = self._mailer.compose(mail, ReadableIssue(visible, conversation))
        if not composed.mails:
            return not_mailed(composed.why_not, self._notices(people))
        line = f"{what}: mailed to {', '.join(copy.recipient for copy in composed.mails)}{people.line}"
        line += "".join(f"; {problem}" for problem in content.problems)
        decision = NoteDecision(number, row.id, 0.0, line, people.notified_by(row.requester))
        notices = self._notices(people)
        queued = self._decisions.decide(decision, composed.mails, mail_id=row.mail_id, notices=notices)
        log.info("answers.queued", issue=row.id, journal=number, kind=composed.mails[0].kind, mails=len(composed.mails))
        return len(composed.mails) if queued else 0

    def _variables(
        self, content: NoteContent, entry: Mapping[str, Any], visible: VisibleIssue, *, by_agent: bool
    ) -> dict[str, object]:
        """What the template of the mail about a journal may use."""
        author = str((entry.get("user") or {}).get("name", ""))
        fields = visible.issue_data.get("custom_fields", ())
        return {
            "agent": {"name": as_written(author)},
            "fields": CustomFieldValues({str(f["name"]): _value(f.get("value")) for f in fields}),
            "note": {
                "text": content.text,
                "html": content.html,
                "author": as_written(author) if by_agent else "",
                "signed": by_agent and is_signed(content.text, author),
                "date": Moment.of(_seconds(entry)),
                "left_out": content.left_out,
            },
        }

    # ------------------------------------------------------------------ to whom

    def _people(
        self,
        row: IssueRow,
        visible: VisibleIssue,
        entry: Mapping[str, Any],
        mailing: NoteMailPolicy,
        conversation: Conversation,
    ) -> Recipients:
        """The requester and those in Cc, without the note's author and those whom Redmine mails."""
        writer = int((entry.get("user") or {}).get("id", 0))
        copied = conversation.cc if mailing.cc else ()
        reachable = self._mailer.reachable([Address(row.requester_name, row.requester), *copied], "answer")
        kept: list[Address] = []
        by_redmine: list[str] = []
        direct: list[str] = []
        named = set(map(comparable, self._decisions.addressed(int(entry["id"]))))
        for person in reachable:
            user = self._metadata.people.by_address(person.address)
            if user is not None and user.id == writer:
                continue
            if comparable(person.address) in named:
                direct.append(person.address)
            elif user is not None and mailing.leave_to_redmine and self._redmine_mails(user.id, visible.issue_data):
                by_redmine.append(person.address)
            else:
                kept.append(person)
        requester = comparable(row.requester)
        unproven = self._mailer.reachable(conversation.unproven, "answer") if mailing.cc else []
        cc = [person for person in kept if person.key != requester]
        return Recipients(
            to=tuple(person for person in kept if person.key == requester),
            cc=tuple(cc[: mailing.max_cc]),
            by_redmine=tuple(by_redmine),
            over=tuple(cc[mailing.max_cc :]),
            unproven=tuple(person for person in unproven if self._metadata.people.by_address(person.address) is None),
            without=tuple(address for address in [Address("", row.requester)] if mailable(address) is None),
            direct=tuple(direct),
        )

    def _notices(self, people: Recipients) -> list[NewNotice]:
        """The notices to the agents about people who do not get the mail, each once per issue."""
        notices = []
        for why, them in people.left_out.items():
            names = ", ".join(literal(person.address, self._text_format) for person in them[:SHOWN])
            more = f" and {len(them) - SHOWN} more" if len(them) > SHOWN else ""
            of = hashlib.sha256(
                "\n".join(sorted(person.key for person in them)).encode("utf-8", "replace")
            ).hexdigest()[:16]
            notices.append(NewNotice(f"{why.key}/{of}", f"{why.words}: {names}{more}"))
        return notices

    def _redmine_mails(self, user_id: int, issue_data: Mapping[str, Any]) -> bool:
        """Whether Redmine most likely mails this user about the issue: an active user who is involved and may see it.

        The API contains neither the users' notification settings nor whether Redmine sends mail at all.
        """
        concerned = {int(watcher["id"]) for watcher in issue_data.get("watchers", ())}
        concerned |= {int(issue_data[role]["id"]) for role in ("author", "assigned_to") if issue_data.get(role)}
        person = self._metadata.people.by_id(user_id)
        project = self._metadata.project(str(issue_data["project"]["id"]))
        if user_id not in concerned or person is None or person.user.status != "active" or project is None:
            return False
        roles = self._metadata.roles_of(person.rights, project)
        return sees(person.rights, read_issue(issue_data, project), project, roles)


def _seconds(entry: Mapping[str, Any]) -> float | None:
    written = utc(entry.get("created_on"))
    return written.timestamp() if written is not None else None


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")

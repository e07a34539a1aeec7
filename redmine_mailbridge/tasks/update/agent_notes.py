"""Agents' answers: what an agent writes in Redmine on an issue that came by mail goes to the requester by mail, once.

Each journal is decided once (store/note_decisions.py), in the transaction that queues its mails; their Message-IDs
are made of the journal's number, so that not even a lost database sends one under two names. What is held back by a
limit is decided later. A note that is made private, changed or removed before it is decided goes out as it is then,
or not.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Literal

import structlog

from redmine_mailbridge.errors import MailbridgeError, RedmineRefused, RedmineUnavailable
from redmine_mailbridge.model.mail import Address, TextFormat
from redmine_mailbridge.model.task_result import StationResult
from redmine_mailbridge.outgoing.addresses import comparable, mailable
from redmine_mailbridge.outgoing.conversation import Thread
from redmine_mailbridge.outgoing.from_redmine import as_html, as_text
from redmine_mailbridge.outgoing.issue_mailer import Letters
from redmine_mailbridge.outgoing.message import File
from redmine_mailbridge.outgoing.recipients import People
from redmine_mailbridge.outgoing.sender_profile import when
from redmine_mailbridge.outgoing.template_variables import Fields
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.facts import read_issue
from redmine_mailbridge.redmine.issue_visibility import Visible, look
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.rights import sees
from redmine_mailbridge.redmine.users import utc
from redmine_mailbridge.redmine.write_intent import Job
from redmine_mailbridge.settings.value_types import format_size
from redmine_mailbridge.store.issue_copy import IssueRow, Issues
from redmine_mailbridge.store.note_decisions import Answered, Decided, HeldBack
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.tasks.update.delivery_failures import Undelivered
from redmine_mailbridge.tasks.update.issue_sync import Mirror
from redmine_mailbridge.tasks.update.issue_turns import Turns
from redmine_mailbridge.tasks.update.note_filter import Mailing, Note, closes, note_to_mail

log = structlog.get_logger(__name__)

SHOWN = 20
"""How many addresses a note to the agents names."""


class AgentAnswers:
    """The station of `update` that refreshes the copy of Redmine's issues and mails what agents wrote."""

    name = "answers"

    def __init__(  # noqa: PLR0917 - what it is wired to
        self,
        mirror: Mirror,
        issues: Issues,
        answered: Answered,
        letters: Letters,
        client: Client,
        directory: Directory,
        *,
        undelivered: Undelivered,
        mailings: Mapping[str, Mailing],
        text_format: TextFormat,
    ) -> None:
        self._turns = Turns("answers", client.whoami, issues.record)
        self._undelivered = undelivered
        self._mirror = mirror
        self._issues = issues
        self._answered = answered
        self._letters = letters
        self._client = client
        self._directory = directory
        self._mailings = mailings
        self._text_format = text_format

    def once(self, stop: threading.Event) -> StationResult:
        """Refresh, then decide about every entry that is not decided. Return how many mails were queued
        and notes written.
        """
        done = failed = 0
        try:
            self._mirror.refresh(stop)
            for mailbox, mailing in self._mailings.items():
                for number, journals in self._pending(mailbox, mailing):
                    if stop.is_set():
                        return StationResult(done, failed)
                    queued, ended = self._turns.take(number, partial(self._issue, number, journals, mailing))
                    done, failed = done + queued, failed + (not ended)
            told, untold = self._undelivered.once()
            return StationResult(done + told, failed + untold)
        except MailbridgeError as error:
            log.warning("answers.interrupted", reason=str(error))
            return StationResult(done, failed, str(error))

    def _pending(self, mailbox: str, mailing: Mailing) -> Iterator[tuple[int, list[int]]]:
        """The issues of a mailbox with the journals that are to be decided; those that a mail is just written to wait,
        since the newest note may be that mail's.
        """
        notes, closed = (
            self._begun(f"{mailbox}:{what}", on=on and mailbox in self._letters.desks)
            for what, on in (("notes", mailing.notes != "never"), ("closed", mailing.closed))
        )
        if notes is None and closed is None:
            return
        jobs = [Job.from_json(job).request for job in self._answered.being_written()]
        busy = {request.issue for request in jobs if isinstance(request, NoteRequest)}
        found = self._answered.undecided(mailbox, notes=notes, closed=closed)
        for number, rows in groupby(found, key=lambda pair: pair[0]):
            if number not in busy:
                yield number, [journal for _, journal in rows]

    def _begun(self, what: str, *, on: bool) -> int | None:
        """Behind which journal it is mailed; None when it is switched off."""
        if on:
            return self._answered.begin(what)
        self._answered.end(what)
        return None

    # ------------------------------------------------------------------ one issue

    def _issue(self, number: int, journals: Sequence[int], mailing: Mailing) -> int:
        row = self._issues.get(number)
        if row is None:
            return 0
        visible = look(self._client, number)
        if visible is None:
            self._issues.gone(number)
            return 0
        shown = {int(one["id"]): one for one in visible.found.get("journals", ())}
        known = {one.id: one for one in self._issues.journals([number])}
        queued = 0
        for journal in journals:
            entry = shown.get(journal)
            by_agent = known[journal].side == "agent"
            if entry is None:
                self._answered.decide(Decided(journal, number, 0.0, f"note {journal}: it is not there any more"))
                continue
            try:
                queued += self._journal(row, visible, entry, mailing, by_agent=by_agent)
            except HeldBack as error:
                log.info("answers.held_back", issue=number, journal=journal, reason=str(error))
                if by_agent:
                    break  # what comes after it on this issue waits for it
        return queued

    def _journal(
        self, row: IssueRow, visible: Visible, entry: Mapping[str, Any], mailing: Mailing, *, by_agent: bool
    ) -> int:
        """Decide about one entry. Return how many mails were queued. Raise HeldBack when it must wait."""
        number, found = int(entry["id"]), visible.found
        author = str((entry.get("user") or {}).get("name", ""))
        said = note_to_mail(mailing, entry, list(found.get("attachments", ())), by_agent=by_agent)
        statuses = self._directory.statuses()
        closing = mailing.closed and closes(entry, statuses.closed) and bool(found["status"].get("is_closed", True))
        what = f"note {number} by {author}" if by_agent else f"entry {number}"

        def not_mailed(why: str, notices: Sequence[NewNotice] = (), by_redmine: bool = False) -> int:
            line = f"{what}: not mailed: {why}"
            tell = by_agent and mailing.notes != "never"
            decided = Decided(number, row.id, 0.0, line, "redmine" if by_redmine else None)
            self._answered.decide(decided, mail_id=row.mail_id, notices=notices, on_record=tell)
            return 0

        spoken = by_agent and isinstance(said, Note)
        if not spoken and not closing:
            return not_mailed(said if isinstance(said, str) else "it is the bridge's own")
        thread = self._letters.thread(row, visible)
        people = self._people(row, visible, entry, mailing, thread)
        if not people.to and not people.cc:
            return not_mailed(people.why_nobody, self._notices(people), people.redmine_tells(row.requester))
        note = said if isinstance(said, Note) else Note()
        files, left_out = self._files(note, mailing.max_attachments)
        variables = {
            "agent": {"name": author},
            "fields": Fields({str(f["name"]): _value(f.get("value")) for f in found.get("custom_fields", ())}),
            "note": {
                "text": as_text(note.text, self._text_format),
                "html": as_html(note.text, self._text_format),
                "author": author if by_agent else "",
                "date": when(_seconds(entry)),
                "left_out": left_out,
            },
        }
        made = self._letters.compose(
            "answer" if spoken else "closed",
            row,
            f"j{number}",
            people.to,
            variables,
            attachments=files,
            cc=people.cc,
            now=(visible, thread),
            template="closed" if closing else "answer",
        )
        if not made.mails:
            return not_mailed(made.why_not, self._notices(people))
        line = f"{what}: mailed to {', '.join(one.recipient for one in made.mails)}{people.line}"
        told: Literal["mailed", "redmine"] | None
        told = "mailed" if people.to else "redmine" if people.redmine_tells(row.requester) else None
        decided, notices = Decided(number, row.id, 0.0, line, told), self._notices(people)
        queued = self._answered.decide(decided, made.mails, mail_id=row.mail_id, notices=notices)
        log.info("answers.queued", issue=row.id, journal=number, kind=made.mails[0].kind, mails=len(made.mails))
        return len(made.mails) if queued else 0

    # ------------------------------------------------------------------ to whom

    def _people(
        self, row: IssueRow, visible: Visible, entry: Mapping[str, Any], mailing: Mailing, thread: Thread
    ) -> People:
        """The requester and those in Cc, without those whom Redmine itself mails. Whoever wrote it gets nothing."""
        writer = int((entry.get("user") or {}).get("id", 0))
        copied = thread.cc if mailing.cc else ()
        wanted = self._letters.reachable([Address(row.requester_name, row.requester), *copied], "answer")
        kept: list[Address] = []
        left: list[str] = []
        for one in wanted:
            user = self._directory.people.by_address(one.address)
            if user is not None and user.id == writer:
                continue
            if user is not None and mailing.leave_to_redmine and self._redmine_mails(user.id, visible.found):
                left.append(one.address)
            else:
                kept.append(one)
        requester = comparable(row.requester)
        unproven = self._letters.reachable(thread.unproven, "answer") if mailing.cc else []
        cc = [one for one in kept if one.key != requester]
        return People(
            to=tuple(one for one in kept if one.key == requester),
            cc=tuple(cc[: mailing.max_cc]),
            by_redmine=tuple(left),
            over=tuple(cc[mailing.max_cc :]),
            unproven=tuple(one for one in unproven if self._directory.people.by_address(one.address) is None),
            without=tuple(one for one in [Address("", row.requester)] if mailable(one) is None),
        )

    def _notices(self, people: People) -> list[NewNotice]:
        """What the agents are told about those who do not get the mail, each once on an issue."""
        found = []
        for why, them in people.left_out.items():
            names = ", ".join(literal(one.address, self._text_format) for one in them[:SHOWN])
            more = f" and {len(them) - SHOWN} more" if len(them) > SHOWN else ""
            of = hashlib.sha256("\n".join(sorted(one.key for one in them)).encode("utf-8", "replace")).hexdigest()[:16]
            found.append(NewNotice(f"{why.key}/{of}", f"{why.words}: {names}{more}"))
        return found

    def _redmine_mails(self, user_id: int, found: Mapping[str, Any]) -> bool:
        """Does Redmine most likely mail this user about the issue? An active user who takes part in it and may see it.

        What users have chosen for themselves, and whether Redmine sends mail at all, its API does not tell.
        """
        concerned = {int(one["id"]) for one in found.get("watchers", ())}
        concerned |= {int(found[role]["id"]) for role in ("author", "assigned_to") if found.get(role)}
        person = self._directory.people.by_id(user_id)
        project = self._directory.project(str(found["project"]["id"]))
        if user_id not in concerned or person is None or person.user.status != "active" or project is None:
            return False
        roles = self._directory.roles_of(person.rights, project)
        return sees(person.rights, read_issue(found, project), project, roles)

    # ------------------------------------------------------------------ with what

    def _files(self, note: Note, most: int) -> tuple[list[File], list[str]]:
        """Given a note, return its files as far as they go along, and the names of those that do not."""
        files: list[File] = []
        left_out: list[str] = []
        room = most
        for one in note.files:
            name, size = str(one.get("filename", "file")), int(one.get("filesize", 0))
            try:
                if size > room:
                    left_out.append(f"{name} ({format_size(size)})")
                    continue
                content = self._client.download(int(one["id"]), name, room)
            except RedmineUnavailable:
                raise
            except RedmineRefused:
                left_out.append(name)
                continue
            room -= len(content)
            files.append(File(name, str(one.get("content_type") or "application/octet-stream"), content))
        return files, left_out


def _seconds(entry: Mapping[str, Any]) -> float | None:
    written = utc(entry.get("created_on"))
    return written.timestamp() if written is not None else None


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")

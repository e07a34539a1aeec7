"""Who gets an agent's note by mail: the requester and those in Cc, without its writer and those whom Redmine mails."""

import hashlib
from collections.abc import Mapping
from typing import Any

from redmine_mailbridge.mail.mime.address_syntax import is_among
from redmine_mailbridge.mail.mime.mailable import comparable, mailable
from redmine_mailbridge.model.mail import Address, TextFormat
from redmine_mailbridge.outgoing.conversation import Conversation
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.outgoing.recipients import Recipients
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.policy.note_commands import NoteCommands
from redmine_mailbridge.redmine.facts import read_issue
from redmine_mailbridge.redmine.issue_visibility import VisibleIssue
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.rights import sees
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.note_decisions import NoteDecisions
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.tasks.update.note_filter import NoteMailPolicy
from redmine_mailbridge.util.dataclass import dataclass

SHOWN = 20
"""How many addresses a note to the agents lists."""


@dataclass(frozen=True, slots=True)
class JudgedNote:
    """A journal for whose audience is asked: its issue with the requester, the issue as Redmine shows it, the journal
    from the API, the commands that count, and the conversation, with those in Cc after the commands.
    """

    row: IssueRow
    visible: VisibleIssue
    entry: Mapping[str, Any]
    commands: NoteCommands
    conversation: Conversation


class NoteAudience:
    """Chooses the recipients of notes. Raises RedmineUnavailable."""

    def __init__(
        self, mailer: IssueMailer, metadata: MetadataCache, decisions: NoteDecisions, text_format: TextFormat
    ) -> None:
        self._mailer = mailer
        self._metadata = metadata
        self._decisions = decisions
        self._text_format = text_format

    def of(self, note: JudgedNote, mailing: NoteMailPolicy) -> Recipients:
        """Given a note, return who gets it."""
        return self._of_to(note) if note.commands.to else self._of_conversation(note, mailing)

    def _of_to(self, note: JudgedNote) -> Recipients:
        """The addresses of `/to` alone: neither the requester nor those in Cc."""
        names = " ".join(person.address for person in note.commands.to)
        return Recipients(refused=f"/to {names}: notes are not mailed to third parties")

    def _of_conversation(self, note: JudgedNote, mailing: NoteMailPolicy) -> Recipients:
        row, visible, entry, conversation = note.row, note.visible, note.entry, note.conversation
        writer = int((entry.get("user") or {}).get("id", 0))
        copied = conversation.cc if mailing.cc else conversation.cc_by_agents
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
            apart=tuple(person for person in note.commands.cc if is_among(person.address, conversation.apart)),
        )

    def notices(self, people: Recipients, journal: int) -> list[NewNotice]:
        """The notices to the agents about people who do not get the mail of a note, each once per issue; that none of
        those gets it whom the note names, once per note.
        """
        notices = []
        if people.refused:
            why_not = literal(people.refused, self._text_format)
            notices.append(NewNotice(f"commands/{journal}", f"Note {journal} was not mailed: {why_not}"))
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

"""Which commands of an agent's note count: those of a person whom the settings allow to use them.

The writer is the author of the journal in Redmine, and whoever has edited it since.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.model.mail import Address, TextFormat
from redmine_mailbridge.outgoing.issue_mail.mailer import IssueMailer
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.policy.note_commands import NoteCommands
from redmine_mailbridge.redmine.issue_visibility import VisibleIssue
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.notices import NewNotice
from redmine_mailbridge.store.recipient_changes import RecipientChanges
from redmine_mailbridge.tasks.update.command_rights import CommandRights
from redmine_mailbridge.tasks.update.note_filter import NoteMailPolicy, commands_of
from redmine_mailbridge.tasks.update.note_variables import author_of
from redmine_mailbridge.tasks.update.requesters.note_requesters import NoteRequesters
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class JournalInTurn:
    """A journal whose turn it is: its issue as copied, with the requester, and as Redmine shows it, the journal from
    the API, what its mailbox mails, and the commands written in it; None if no agent wrote it.
    """

    row: IssueRow
    visible: VisibleIssue
    entry: Mapping[str, Any]
    mailing: NoteMailPolicy
    written: NoteCommands | None

    @property
    def number(self) -> int:
        """The id of the journal."""
        return int(self.entry["id"])

    @property
    def line(self) -> str:
        """What the record of the decision calls it."""
        return f"entry {self.number}" if self.written is None else f"note {self.number} by {author_of(self.entry)}"


@dataclass(frozen=True, slots=True)
class ReviewedCommands:
    """The commands of a note. `counting` are those that are carried out; `not_mailed` is why the note must not be
    mailed, "" if it may; `complaint` is what its writer reads of commands that are not carried out, "" for nothing.
    """

    written: NoteCommands = NoteCommands()
    counting: NoteCommands = NoteCommands()
    not_mailed: str = ""
    complaint: str = ""
    who: str = ""

    @property
    def changes(self) -> RecipientChanges | None:
        """What is to be stored with the decision on the note; None for nothing."""
        counting = self.counting
        if not (counting.cc or counting.uncc or counting.requester):
            return None
        return RecipientChanges(counting.cc, counting.uncc, counting.requester, self.who)

    @property
    def hides(self) -> bool:
        """Is the note, which is public, to be made private?"""
        return self.written.private

    @property
    def silent(self) -> bool:
        """Is nothing mailed to the requester because of this note, not even that it closes the issue?"""
        return bool(self.written.held_back or self.written.to)

    @property
    def line(self) -> str:
        """What follows the record of the decision: what was done, or why not; "" without commands."""
        if self.complaint:
            return f"; commands not carried out: {self.complaint}"
        return f"; commands: {self.counting.line}" if self.counting.line else ""


class CommandReview:
    """Judges the commands of notes. Raises RedmineUnavailable."""

    def __init__(
        self, mailer: IssueMailer, metadata: MetadataCache, requesters: NoteRequesters, text_format: TextFormat
    ) -> None:
        self._mailer = mailer
        self._requesters = requesters
        self._rights = CommandRights(metadata)
        self._text_format = text_format

    def written(self, entry: Mapping[str, Any], row: IssueRow, mailing: NoteMailPolicy) -> NoteCommands:
        """Given an agent's note from the API, its issue and the settings, return what its commands come to. Where a
        conversation began with `/to`, that named the requester; others that it names are in Cc.
        """
        written = commands_of(entry, mailing)
        requester, *others = written.to or (None,)
        if requester is None or written.requester is not None or self.begins(entry, row) != requester.key:
            return written
        copied = [person for person in others if person is not None]
        return replace(written, to=(), requester=requester, cc=(*written.cc, *copied))

    def begins(self, entry: Mapping[str, Any], row: IssueRow) -> str:
        """Given a note and its issue, return the requester (lower case) with whom the conversation began by a command
        of this note, "" if it did not. A private note goes to third parties.
        """
        return "" if entry.get("private_notes") else self._requesters.began_with(row, int(entry["id"]))

    def of(self, turn: JournalInTurn, written: NoteCommands) -> ReviewedCommands:
        """Given an agent's note and what its commands come to (`written`), return its commands as they count."""
        if turn.entry.get("private_notes"):
            return ReviewedCommands()
        who = f"{author_of(turn.entry)} (note {turn.number})"
        counting = replace(written, to=(), cc=(), uncc=(), requester=None)
        named = written.by_name
        if written.problems:
            complaint = written.complaint
            return ReviewedCommands(written, counting, f"its commands contain an error: {complaint}", complaint, who)
        if not named:
            return ReviewedCommands(written, counting)
        project = int(turn.visible.issue_data["project"]["id"])
        refusal = self._rights.refusal(writers_of(turn.entry), project, turn.mailing.command_users)
        if refusal:
            complaint = f"{', '.join(named)}: {refusal}"
            wrong = [name for name in named if name != "/cc"]
            not_mailed = f"it is not meant for all who would get it without {', '.join(wrong)}" if wrong else ""
            return ReviewedCommands(written, counting, not_mailed, complaint, who)
        complaint = self._wrong(named, turn.row) or self._late(turn, written)
        if complaint:
            return ReviewedCommands(written, counting, f"its commands contain an error: {complaint}", complaint, who)
        return ReviewedCommands(written, written, who=who)

    def notices(self, entry: Mapping[str, Any], reviewed: ReviewedCommands) -> list[NewNotice]:
        """The notice to the agents about commands of a note that were not carried out, once per note."""
        if not reviewed.complaint:
            return []
        number = int(entry["id"])
        failed = f"Note {number} was not mailed" if reviewed.not_mailed else ""
        first = failed or f"The commands of note {number} were not carried out"
        text = f"{first}: {literal(reviewed.complaint, self._text_format)}"
        return [NewNotice(f"commands/{number}", text)]

    def _wrong(self, named: Mapping[str, tuple[Address, ...]], row: IssueRow) -> str:
        """What these commands cannot do here; "" for nothing."""
        requester = next(iter(named.get("/requester", ())), Address("", row.requester))
        if takes_out(named.get("/uncc", ()), requester):
            return f"/uncc: {requester.address} is the requester, who gets each note (/to, /nomail, /requester)"
        added = (person for command, people in named.items() if command != "/uncc" for person in people)
        own = [person.address for person in added if self._own(person)]
        return f"{', '.join(own)}: an address of the bridge itself" if own else ""

    def _late(self, turn: JournalInTurn, written: NoteCommands) -> str:
        """Why the requester that a note names is not the requester any more; "" if that is."""
        person = written.requester
        if person is None or not self._requesters.replaced_after(turn.row, turn.visible, turn.number, person):
            return ""
        return f"/requester: another requester than {person.address} was named after this note"

    def _own(self, person: Address) -> bool:
        return not self._mailer.reachable([person], "answer")


def takes_out(uncc: Iterable[Address], requester: Address) -> bool:
    """Do the addresses of `/uncc` contain the requester's?"""
    return comparable(requester.address) in {comparable(person.address) for person in uncc}


def writers_of(entry: Mapping[str, Any]) -> set[int]:
    """The author of a journal, and who has edited it since, as far as Redmine shows that."""
    people = (entry.get("user"), entry.get("updated_by"))
    return {int(person["id"]) for person in people if person}

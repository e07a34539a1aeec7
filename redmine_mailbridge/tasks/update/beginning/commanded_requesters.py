"""Whom a note on an issue that is not a conversation yet names as its requester by a command, so that it becomes one.

    /requester kim@client.example      in a public or a private note
    /to kim@client.example             in a public note; a private one is meant for third parties

Only a note that was written in Redmine by somebody who may use commands counts. Any other, and one with an error, is
decided once, too: a notice says why it began nothing, and a right that is given later does not change that. A note that
got its command, or was published, after others had been written begins nothing: their writers knew of no customer.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from redmine_mailbridge.model.mail import Address, TextFormat
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.policy.note_commands import NoteCommands, parse
from redmine_mailbridge.redmine.responses import utc
from redmine_mailbridge.store.notices import NewNotice, Notices
from redmine_mailbridge.tasks.update.command_review import takes_out, writers_of
from redmine_mailbridge.tasks.update.command_rights import CommandRights, CommandUsers
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class CommandsOfMailbox:
    """The marker of notes of a mailbox, and who may use commands in its issues."""

    marker: str
    users: CommandUsers


class CommandedRequesters:
    """Reads notes. `mailboxes` are those in which somebody may use commands; `of_mails` returns those of some journals
    that messages created; `wrong_with` is why answers cannot go to an address, "" if they can. Raises
    RedmineUnavailable.
    """

    def __init__(
        self,
        mailboxes: Mapping[str, CommandsOfMailbox],
        rights: CommandRights,
        notices: Notices,
        *,
        of_mails: Callable[[Collection[int]], Collection[int]],
        wrong_with: Callable[[str], str],
        text_format: TextFormat,
    ) -> None:
        self._mailboxes = mailboxes
        self._rights = rights
        self._notices = notices
        self._of_mails = of_mails
        self._wrong_with = wrong_with
        self._text_format = text_format
        self._unheard: set[tuple[int, int]] = set()
        """The notes with errors of people who may use no commands, each with its text: no notice says so."""

    def reads(self, mailbox: str) -> bool:
        """May somebody use commands in the issues of a mailbox?"""
        return mailbox in self._mailboxes

    def named(self, mailbox: str, issue_data: Mapping[str, Any], entry: Mapping[str, Any], seen: int = 0) -> str:
        """Given a mailbox, an issue from the API in its project, and an entry of its history, return the address
        (lower case) that the entry names as requester; "" for none. The agents are informed of a note that tries to.
        Entries up to `seen` were there when the issue was last read and did not begin.
        """
        settings = self._mailboxes.get(mailbox)
        if settings is None:
            return ""
        text, number, issue = str(entry.get("notes") or ""), int(entry["id"]), int(issue_data["id"])
        written, judged, key = parse(text, marker=settings.marker), (number, hash(text)), f"commands/{number}"
        if not _tries(entry, written) or judged in self._unheard:
            return ""
        if self._of_mails([number]) or self._notices.is_known(issue, key):
            return ""
        why_not = self._why_not(written, entry, int(issue_data["project"]["id"]), settings.users)
        later = _written_before_its_text(entry, issue_data, seen)
        if later and not why_not:
            why_not = f"it got this command, or was published, after note {later} was written; write it in a new note"
        if why_not:
            words = literal(why_not, self._text_format)
            notice = NewNotice(key, f"Note {number} began no conversation by mail: {words}")
            self._notices.add(issue, None, notice)
        person = _person(written)
        if person is None and not why_not:
            self._unheard.add(judged)
        return person.key if person is not None and not why_not else ""

    def _why_not(self, written: NoteCommands, entry: Mapping[str, Any], project: int, users: CommandUsers) -> str:
        """Why the commands of a note begin nothing; "" if they do, or if they were not meant as commands."""
        person = _person(written)
        refusal = self._rights.refusal(writers_of(entry), project, users)
        if refusal:
            return refusal if person is not None else ""
        if written.problems or person is None:
            return written.complaint
        if written.private and written.for_third_parties:
            return "a note with /private and /to is meant for third parties"
        if written.requester is not None and written.to:
            return "a note with /requester can have no /to"
        if takes_out(written.uncc, person):
            return f"/uncc: {person.address} is the requester"
        named = (person, *written.to, *written.cc)
        return next(
            (f"{address.address} {wrong}" for address in named if (wrong := self._wrong_with(address.address))), ""
        )


def _person(written: NoteCommands) -> Address | None:
    """Whom commands name as the requester, if anyone."""
    return written.requester or next(iter(written.to), None)


def _tries(entry: Mapping[str, Any], written: NoteCommands) -> bool:
    """May a note with these commands be meant to begin a conversation with a customer?"""
    if entry.get("private_notes") and written.for_third_parties:
        return False
    return _person(written) is not None or bool(written.problems)


def _written_before_its_text(entry: Mapping[str, Any], issue_data: Mapping[str, Any], seen: int) -> int:
    """The first note that was written after this one, but before this one was edited or published: as Redmine says
    (6.1), or since both were there when the issue was last read; 0 for none.
    """
    number, edited = int(entry["id"]), utc(entry.get("updated_on"))
    for other in sorted(issue_data.get("journals", ()), key=lambda other: int(other["id"])):
        if int(other["id"]) <= number or not str(other.get("notes") or "").strip():
            continue
        written = utc(other.get("created_on"))
        if int(other["id"]) <= seen or (edited is not None and written is not None and written < edited):
            return int(other["id"])
    return 0

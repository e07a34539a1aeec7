"""Whom a note on an issue that is not a conversation yet names as its requester by a command, so that it becomes one.

    /requester kim@client.example      in a public or a private note
    /to kim@client.example             in a public note; a private one is meant for third parties

Only a note that was written in Redmine by somebody who may use commands counts. Any other, and one with an error, is
decided once, too: a notice says why it began nothing, and a right that is given later does not change that.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from redmine_mailbridge.model.mail import Address, TextFormat
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.policy.note_commands import NoteCommands, parse
from redmine_mailbridge.store.notices import NewNotice, Notices
from redmine_mailbridge.tasks.update.command_review import writers_of
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

    def reads(self, mailbox: str) -> bool:
        """May somebody use commands in the issues of a mailbox?"""
        return mailbox in self._mailboxes

    def named(self, mailbox: str, issue_data: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
        """Given a mailbox, an issue from the API in its project, and an entry of its history, return the address
        (lower case) that the entry names as requester; "" for none. The agents are informed of a note that tries to.
        """
        settings = self._mailboxes.get(mailbox)
        if settings is None:
            return ""
        written = parse(str(entry.get("notes") or ""), marker=settings.marker)
        issue, number = int(issue_data["id"]), int(entry["id"])
        key = f"commands/{number}"
        if not _tries(entry, written) or self._of_mails([number]) or self._notices.is_known(issue, key):
            return ""
        why_not = self._why_not(written, entry, int(issue_data["project"]["id"]), settings.users)
        if why_not:
            words = literal(why_not, self._text_format)
            notice = NewNotice(key, f"Note {number} began no conversation by mail: {words}")
            self._notices.add(issue, None, notice)
        person = _person(written)
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
        wrong = self._wrong_with(person.address)
        return f"{person.address} {wrong}" if wrong else ""


def _person(written: NoteCommands) -> Address | None:
    """Whom commands name as the requester, if anyone."""
    return written.requester or next(iter(written.to), None)


def _tries(entry: Mapping[str, Any], written: NoteCommands) -> bool:
    """May a note with these commands be meant to begin a conversation with a customer?"""
    if entry.get("private_notes") and written.for_third_parties:
        return False
    return _person(written) is not None or bool(written.problems)

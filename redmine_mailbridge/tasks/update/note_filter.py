"""Which part of a journal is sent by mail, according to the settings and to its commands. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from redmine_mailbridge.policy.note_commands import NoteCommands, parse
from redmine_mailbridge.tasks.update.command_rights import CommandUsers
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class NoteMailPolicy:
    """What a mailbox mails of its issues. `max_cc` is the maximum of Cc recipients, `max_attachments` in bytes,
    `max_picture_width` in pixels. `command_users` may change who gets mail. `third_parties`: private notes may go to
    third parties."""

    notes: Literal["never", "public_notes", "marked"] = "never"
    closed: bool = False
    marker: str = "/mail"
    cc: bool = True
    max_cc: int = 20
    leave_to_redmine: bool = True
    max_attachments: int = 10_000_000
    inline_pictures: bool = True
    max_picture_width: int = 1200
    command_users: CommandUsers = CommandUsers()
    third_parties: bool = False


@dataclass(frozen=True, slots=True)
class AgentNote:
    """A note to be sent: its text in Redmine's markup, and its files."""

    text: str = ""
    files: tuple[Mapping[str, Any], ...] = ()


def note_to_mail(
    mailing: NoteMailPolicy,
    journal: Mapping[str, Any],
    commands: NoteCommands | None,
    attachments: list[Mapping[str, Any]],
) -> AgentNote | str:
    """Given a current journal, the commands in it, None if no agent wrote it (a rule closed the issue), and the issue's
    files, return the note to send, or the reason for sending nothing.

    A note that has since been made private, emptied or deleted is not sent.
    """
    if journal.get("private_notes"):
        return "it is private"
    text = str(journal.get("notes") or "").strip()
    if not text:
        return "it has no text"
    if commands is None:
        return AgentNote(text) if mailing.closed else "it was written by the bridge"
    if mailing.notes == "never":
        return "notes are not mailed"
    why_not = _why_held_back(commands, mailing)
    text = commands.text.strip()
    files = tuple(_files(journal, attachments))
    return why_not or (AgentNote(text, files) if text or files else "it has no text")


def _why_held_back(commands: NoteCommands, mailing: NoteMailPolicy) -> str:
    """Why a note with these commands is not mailed to anyone; "" if it may be."""
    if commands.held_back:
        return f"it begins with {commands.held_back}"
    if commands.problems:
        return "its commands contain an error"
    return f"it does not start with {mailing.marker}" if mailing.notes == "marked" and not commands.marked else ""


def commands_of(journal: Mapping[str, Any], mailing: NoteMailPolicy) -> NoteCommands:
    """Given a journal by an agent, return its commands, the marker among them, and its text without them."""
    return parse(str(journal.get("notes") or ""), marker=mailing.marker)


def files_of_private(journal: Mapping[str, Any], issue_data: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Given a private note and its issue, return the files that came with it. Redmine puts these into a public entry of
    their own, which it writes first, of the same author and time.
    """
    same = ("user", "created_on")
    before = [
        entry
        for entry in issue_data.get("journals", ())
        if int(entry["id"]) < int(journal["id"])
        and all(entry.get(name) == journal.get(name) for name in same)
        and not entry.get("notes")
        and not entry.get("private_notes")
    ]
    apart: Mapping[str, Any] = max(before, key=lambda entry: int(entry["id"]), default={})
    attachments = list(issue_data.get("attachments", ()))
    return (*_files(apart, attachments), *_files(journal, attachments))


def _files(journal: Mapping[str, Any], attachments: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    ids = {str(d.get("name")) for d in journal.get("details", ()) if d.get("property") == "attachment"}
    return (file for file in attachments if str(file.get("id")) in ids)


def closes(journal: Mapping[str, Any], closed: frozenset[int]) -> bool:
    """Given a journal and the IDs of the closed statuses, return whether the journal closed the issue."""
    for detail in journal.get("details", ()):
        if detail.get("property") == "attr" and detail.get("name") == "status_id":
            before, after = (str(detail.get(side) or "") for side in ("old_value", "new_value"))
            ids = {str(number) for number in closed}
            return after in ids and before not in ids
    return False

"""What of an issue's entry goes out by mail, as its settings say. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Mailing:
    """What a mailbox mails of its issues. `max_cc` is how many may stand in Cc, `max_attachments` in bytes."""

    notes: Literal["never", "public_notes", "marked"] = "never"
    closed: bool = False
    marker: str = "/mail"
    cc: bool = True
    max_cc: int = 20
    leave_to_redmine: bool = True
    max_attachments: int = 10_000_000


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it goes out: its text in Redmine's markup, and the files that came with it."""

    text: str = ""
    files: tuple[Mapping[str, Any], ...] = ()


def note_to_mail(
    mailing: Mailing, journal: Mapping[str, Any], attachments: list[Mapping[str, Any]], *, by_agent: bool = True
) -> Note | str:
    """Given a journal as Redmine shows it now, the issue's files, and whether an agent wrote it (else the bridge, by a
    rule that closed the issue), return what of it goes out, or why nothing does.

    A note that somebody has made private, emptied or removed since is not mailed.
    """
    if journal.get("private_notes"):
        return "it is private"
    text = str(journal.get("notes") or "").strip()
    if not text:
        return "it has no text"
    if not by_agent:
        return Note(text) if mailing.closed else "it is the bridge's own"
    if mailing.notes == "never":
        return "notes are not mailed"
    rest = without_marker(text, mailing.marker)
    if rest is None and mailing.notes == "marked":
        return f"it does not begin with {mailing.marker}"
    text = text if rest is None else rest
    files = tuple(_files(journal, attachments))
    return Note(text, files) if text or files else "it has no text"


def without_marker(text: str, marker: str) -> str | None:
    """Given a note, return it without the marker that it begins with, as a word of its own; None when it does not."""
    start = text.lstrip()
    if not start.lower().startswith(marker.lower()):
        return None
    rest = start[len(marker) :]
    return rest.lstrip(" \t:,\r\n") if not rest or not rest[0].isalnum() else None


def _files(journal: Mapping[str, Any], attachments: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    ids = {str(d.get("name")) for d in journal.get("details", ()) if d.get("property") == "attachment"}
    return (file for file in attachments if str(file.get("id")) in ids)


def closes(journal: Mapping[str, Any], closed: frozenset[int]) -> bool:
    """Given a journal and the ids of the closed statuses, did it close the issue?"""
    for detail in journal.get("details", ()):
        if detail.get("property") == "attr" and detail.get("name") == "status_id":
            before, after = (str(detail.get(side) or "") for side in ("old_value", "new_value"))
            ids = {str(number) for number in closed}
            return after in ids and before not in ids
    return False

"""What the templates of a mail with a note may use of it. Pure."""

from collections.abc import Mapping
from typing import Any

from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.personal_names import as_written, is_signed
from redmine_mailbridge.outgoing.template_variables import CustomFieldValues
from redmine_mailbridge.redmine.responses import utc
from redmine_mailbridge.tasks.update.note_content import NoteContent


def author_of(entry: Mapping[str, Any]) -> str:
    """Given a journal from the API, return the name of its author."""
    return str((entry.get("user") or {}).get("name", ""))


def note_variables(content: NoteContent, entry: Mapping[str, Any], *, by_agent: bool = True) -> dict[str, object]:
    """Given the content of a journal's note, the journal, and whether an agent wrote it, return the variables."""
    author, written = author_of(entry), utc(entry.get("created_on"))
    return {
        "agent": {"name": as_written(author)},
        "note": {
            "text": content.text,
            "html": content.html,
            "author": as_written(author) if by_agent else "",
            "signed": by_agent and is_signed(content.text, author),
            "date": Moment.of(written.timestamp() if written is not None else None),
            "left_out": content.left_out,
        },
    }


def journal_variables(
    content: NoteContent, entry: Mapping[str, Any], issue_data: Mapping[str, Any], *, by_agent: bool
) -> dict[str, object]:
    """The same for a mail to the customer's side, which may name custom fields of the issue from the API."""
    fields = issue_data.get("custom_fields", ())
    values = CustomFieldValues({str(field["name"]): _value(field.get("value")) for field in fields})
    return {**note_variables(content, entry, by_agent=by_agent), "fields": values}


def _value(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value or "")

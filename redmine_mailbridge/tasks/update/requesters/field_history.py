"""Changes of a custom field in the history of an issue from the API. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class FieldChange:
    """An entry of the history that changed the field, with the values before and after; "" for none."""

    entry: Mapping[str, Any]
    before: str
    value: str

    @property
    def number(self) -> int:
        """The id of the entry."""
        return int(self.entry["id"])

    @property
    def user(self) -> int:
        """The id of its author; 0 if Redmine names none."""
        return int((self.entry.get("user") or {}).get("id", 0))


def changes_of(entries: Iterable[Mapping[str, Any]], field: int) -> list[FieldChange]:
    """Given entries of the history in any order, return the changes of the custom field with this id, oldest first."""
    return [
        FieldChange(entry, str(detail.get("old_value") or ""), str(detail.get("new_value") or ""))
        for entry in sorted(entries, key=lambda entry: int(entry["id"]))
        for detail in entry.get("details", ())
        if detail.get("property") == "cf" and str(detail.get("name")) == str(field)
    ]


def last_change(entries: Iterable[Mapping[str, Any]], field: int) -> FieldChange | None:
    """The newest of them; None if there is none."""
    changes = changes_of(entries, field)
    return changes[-1] if changes else None

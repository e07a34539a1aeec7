"""Changes of a custom field in the history of an issue from the API. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any


def changes_of(entry: Mapping[str, Any], field: int) -> list[Mapping[str, Any]]:
    """Given an entry of the history, return its changes of the custom field with this id."""
    details = entry.get("details", ())
    return [detail for detail in details if detail.get("property") == "cf" and str(detail.get("name")) == str(field)]


def last_change(entries: Iterable[Mapping[str, Any]], field: int) -> Mapping[str, Any] | None:
    """Given entries of the history in any order, return the newest that changed a custom field; None if none did."""
    changes = (entry for entry in entries if changes_of(entry, field))
    return max(changes, key=lambda entry: int(entry["id"]), default=None)

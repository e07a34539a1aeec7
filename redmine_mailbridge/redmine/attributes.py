"""What attributes of issues are chosen from, as values read from the API: statuses, trackers, custom fields."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from redmine_mailbridge.model.facts import FieldKind
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.suggest import NameMap


@dataclass(frozen=True, slots=True)
class Statuses:
    """Issue statuses: id by lower-case name, the ids of closed statuses, and the names as Redmine shows them."""

    ids: Mapping[str, int]
    closed: frozenset[int]
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tracker:
    """A tracker. `fields` are its issues' standard fields, None if Redmine does not report them;
    `default_status` is the id of the status of new issues.
    """

    id: int
    name: str
    fields: frozenset[str] | None = None
    default_status: int | None = None


@dataclass(frozen=True, slots=True)
class CustomField:
    """An issue custom field, visible to an admin's key only. `tracker_ids` are those that have it."""

    id: int
    name: str
    format: str
    filterable: bool
    required: bool
    tracker_ids: frozenset[int]
    default: str
    kind: FieldKind


def tracker_of(tracker: Mapping[str, Any]) -> Tracker:
    """Given a tracker from the API, return it as a value."""
    fields, status = tracker.get("enabled_standard_fields"), tracker.get("default_status") or {}
    return Tracker(
        int(tracker["id"]),
        str(tracker["name"]),
        None if fields is None else frozenset(map(str, fields)),
        status.get("id"),
    )


def kind_of(field: Mapping[str, Any]) -> FieldKind:
    """Given a custom field from the API, return the values that it accepts."""
    options: dict[str, str] = {}
    for entry in field.get("possible_values") or ():
        value = str(entry.get("value", ""))
        options.setdefault(str(entry.get("label") or value).strip().casefold(), value)
    trackers = frozenset(int(tracker["id"]) for tracker in field.get("trackers", ()))
    length = int(field.get("max_length") or 0)
    return FieldKind(str(field.get("field_format", "")), bool(field.get("multiple")), options, trackers, length)


def ids_by_name(entries: Iterable[Mapping[str, Any]]) -> Mapping[str, int]:
    """Given things with id and name, return the id by lower-case name; the first wins."""
    return NameMap((str(entry["name"]).strip(), int(entry["id"])) for entry in entries)

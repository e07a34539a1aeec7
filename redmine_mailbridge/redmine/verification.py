"""What Redmine silently dropped: a comparison of the request with the result. Pure.

Each difference is one English line for the message's history and the log, without any text of the message.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.text_cleaning import same_text
from redmine_mailbridge.util.dataclass import dataclass

REFERENCES = {
    "project_id": "project", "tracker_id": "tracker", "status_id": "status", "priority_id": "priority",
    "category_id": "category", "assigned_to_id": "assigned_to", "fixed_version_id": "fixed_version",
    "parent_issue_id": "parent",
}  # fmt: skip
PLAIN = ("is_private", "start_date", "due_date", "done_ratio")
TEXTS = ("subject", "description")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One difference: the attribute by its API name, and the line about it; `field` is the id of the custom
    field concerned, 0 if it is none.
    """

    attribute: str
    line: str
    field: int = 0

    def __str__(self) -> str:
        return self.line


def issue_mismatches(requested: Mapping[str, Any], issue: Mapping[str, Any]) -> tuple[Mismatch, ...]:
    """Given the requested attributes and the issue as Redmine returns it, list the differences."""
    return (*_references(requested, issue), *_plain(requested, issue), *_fields(requested, issue))


def author_mismatches(author_id: int | None, as_login: str | None, author: Mapping[str, Any]) -> tuple[Mismatch, ...]:
    """Given the intended author and the actual one ({"id", "name"}), return the difference."""
    if author_id is None or author.get("id") == author_id:
        return ()
    who = f"{as_login} (user {author_id})" if as_login else f"user {author_id}"
    return (Mismatch("author", f"written by {_named(author)} instead of {who}"),)


def _references(requested: Mapping[str, Any], issue: Mapping[str, Any]) -> Iterator[Mismatch]:
    for name, key in REFERENCES.items():
        actual = issue.get(key) or {}
        if name in requested and int(requested[name]) != actual.get("id"):
            yield Mismatch(name, f"requested {key.replace('_', ' ')} {requested[name]}, has {_named(actual)}")


def _plain(requested: Mapping[str, Any], issue: Mapping[str, Any]) -> Iterator[Mismatch]:
    for name in PLAIN:
        if name in requested and requested[name] != issue.get(name):
            yield Mismatch(name, f"requested {name} {requested[name]}, has {issue.get(name)}")
    hours = requested.get("estimated_hours")
    if hours is not None and abs(float(issue.get("estimated_hours") or 0.0) - float(hours)) > 0.01:
        yield Mismatch("estimated_hours", f"requested {hours} estimated hours, has {issue.get('estimated_hours')}")
    for name in TEXTS:
        if name in requested and not same_text(str(requested[name]), issue.get(name)):
            yield Mismatch(name, f"the {name} is not as it was sent")


def _fields(requested: Mapping[str, Any], issue: Mapping[str, Any]) -> Iterator[Mismatch]:
    """Custom fields: one that is not enabled for the project and tracker is dropped."""
    actual = {int(f["id"]): f.get("value") for f in issue.get("custom_fields", ())}
    for field in requested.get("custom_fields", ()):
        number = int(field["id"])
        if number not in actual:
            why = "not enabled for this project and tracker, or not allowed"
            yield Mismatch("custom_fields", f"custom field {number} was dropped: {why}", number)
        elif not _same_value(field["value"], actual[number]):
            yield Mismatch("custom_fields", f"custom field {number} rejected its value", number)


def _same_value(asked: Any, there: Any) -> bool:
    if isinstance(asked, list | tuple) or isinstance(there, list):
        return _as_set(asked) == _as_set(there)
    return same_text(str(asked), str(there or ""))


def _as_set(value: Any) -> set[str]:
    values = value if isinstance(value, list | tuple) else [value]
    return {str(v) for v in values if v not in (None, "")}


def _named(thing: Mapping[str, Any]) -> str:
    if not thing:
        return "none"
    return f"{thing['name']} ({thing['id']})" if "name" in thing else str(thing.get("id"))


def amendable(changed: Iterable[Mismatch]) -> tuple[str, ...]:
    """The attributes that another user may set afterwards; a text that users may have edited is left alone."""
    return tuple(dict.fromkeys(d.attribute for d in changed if d.attribute not in (*TEXTS, "project_id")))


def changed_since(issue: Mapping[str, Any], after: int) -> frozenset[str | int]:
    """The attributes, and custom fields by their ids, that were changed since an entry of its history."""
    later = [
        detail for entry in issue.get("journals", ()) if int(entry["id"]) > after for detail in entry.get("details", ())
    ]
    fields = {int(detail["name"]) for detail in later if detail.get("property") == "cf"}
    return frozenset({str(detail.get("name")) for detail in later if detail.get("property") == "attr"} | fields)


def names_of(changed: Iterable[Mismatch]) -> frozenset[str | int]:
    """The attributes, and custom fields by their ids, that differ."""
    return frozenset(mismatch.field or mismatch.attribute for mismatch in changed)


def requested_names(requested: Mapping[str, Any]) -> frozenset[str | int]:
    """The attributes, and custom fields by their ids, that a request sets."""
    return frozenset(requested) | {int(field["id"]) for field in requested.get("custom_fields", ())}


def changes_of(request: NoteRequest) -> dict[str, Any]:
    """What the request changes of the issue, beside its note."""
    return {name: value for name, value in request.attributes.items() if name not in ("notes", "private_notes")}

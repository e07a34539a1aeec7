"""What Redmine silently did not take: a comparison of what was asked with what is there. Pure.

Each difference is one English line for the mail's record and the log, without any text of the mail.
"""

from collections.abc import Mapping
from typing import Any

from redmine_mailbridge.redmine.text import same_text

REFERENCES = {
    "tracker_id": "tracker", "status_id": "status", "priority_id": "priority", "category_id": "category",
    "assigned_to_id": "assigned_to", "fixed_version_id": "fixed_version", "parent_issue_id": "parent",
}  # fmt: skip
PLAIN = ("is_private", "start_date", "due_date", "done_ratio")


def issue_drift(asked: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    """Given the attributes that were asked for and the issue as Redmine shows it, name what differs."""
    lines: list[str] = []
    for name, key in REFERENCES.items():
        there = found.get(key) or {}
        if name in asked and int(asked[name]) != there.get("id"):
            lines.append(f"asked for {key.replace('_', ' ')} {asked[name]}, has {_named(there)}")
    lines += [
        f"asked for {name} {asked[name]}, has {found.get(name)}"
        for name in PLAIN
        if name in asked and asked[name] != found.get(name)
    ]
    if "project_id" in asked and asked["project_id"] != found.get("project", {}).get("id"):
        lines.append(f"asked for project {asked['project_id']}, is in {_named(found.get('project', {}))}")
    hours = asked.get("estimated_hours")
    if hours is not None and abs(float(found.get("estimated_hours") or 0.0) - float(hours)) > 0.01:
        lines.append(f"asked for {hours} estimated hours, has {found.get('estimated_hours')}")
    lines += [
        f"the {name} is not as it was sent"
        for name in ("subject", "description")
        if name in asked and not same_text(str(asked[name]), found.get(name))
    ]
    return (*lines, *field_drift(asked, found))


def field_drift(asked: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    """The same for custom fields: one that is not enabled for the project and tracker is dropped."""
    there = {int(f["id"]): f.get("value") for f in found.get("custom_fields", ())}
    lines = []
    for field in asked.get("custom_fields", ()):
        number = int(field["id"])
        if number not in there:
            lines.append(f"custom field {number} was dropped: not enabled for this project and tracker, or not allowed")
        elif not _same_value(field["value"], there[number]):
            lines.append(f"custom field {number} did not take its value")
    return tuple(lines)


def author_drift(author_id: int | None, as_login: str | None, found: Mapping[str, Any]) -> tuple[str, ...]:
    """Given who should have written and who did ({"id", "name"}), name the difference."""
    if author_id is None or found.get("id") == author_id:
        return ()
    who = f"{as_login} (user {author_id})" if as_login else f"user {author_id}"
    return (f"written by {_named(found)} instead of {who}",)


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

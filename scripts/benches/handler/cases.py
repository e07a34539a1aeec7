"""The recorded cases, as values."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

FIXED = re.compile(r'the outcome is "([a-z_]+)"')

LISTS = {"Database": ("MySQL", "PostgreSQL", "Oracle")}
"""What lists among the fields hold: the context tells only their names."""


@dataclass(frozen=True)
class Case:
    """One mail, how it was handed to Redmine's handler, and what that made of it."""

    id: str
    mail: bytes
    told: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scenario(self) -> str:
        """What stands behind the mail's name in the id: how the case differs from the plain one."""
        return self.id.partition("/")[2]

    @cached_property
    def outcome(self) -> str:
        """created, reply, ignored or another; where newer versions mended a fault, theirs."""
        mended = FIXED.search(str(self.told.get("version_note", "")))
        return mended[1] if mended else str(self.told["outcome"])


def load(corpus: Path) -> list[Case]:
    """Given a corpus, return its cases."""
    lines = (corpus / "cases.jsonl").read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines if line.strip()]
    return [
        Case(
            one["id"],
            (corpus / "mails" / one["file"]).read_bytes(),
            one,
            one.get("options") or {},
            one.get("settings") or {},
        )
        for one in told
    ]


def world_of(corpus: Path) -> dict[str, Any]:
    """Given a corpus, return what world.rb builds: its context, and what the cases show beyond that."""
    context: dict[str, Any] = json.loads((corpus / "context.json").read_text("utf-8"))["context"]
    cases = load(corpus)
    created = [case.told["issue"] for case in cases if case.told.get("issue")]
    changes = [
        (case.told["issue_id"], change)
        for case in cases
        for change in (case.told.get("journal") or {}).get("details", ())
    ]
    told = {one["name"] for one in context["custom_fields"]}
    more = {name: {"name": name} for issue in created for name in issue.get("custom_fields", {}) if name not in told}
    context["fields"] = [_field(one, created, context) for one in (*context["custom_fields"], *more.values())]
    _number(context["fields"], changes)
    by_id = {one["id"]: one for one in context["issues"]}
    for number, change in changes:
        issue = by_id.get(number)
        if issue is not None and change["property"] == "attr" and change["key"] == "start_date":
            issue["start_date"] = change["old"]
        named = next((f["name"] for f in context["fields"] if str(f["id"]) == change["key"]), None)
        if issue is not None and change["property"] == "cf" and named:
            issue.setdefault("custom", {})[named] = change["old"]
    return context


def _field(one: dict[str, Any], created: list[Any], context: dict[str, Any]) -> dict[str, Any]:
    """A custom field: its default is what issues have that nobody gave a value, its trackers are where it was seen."""
    name = one["name"]
    seen = [issue for issue in created if name in issue.get("custom_fields", {})]
    values: list[Any] = [issue["custom_fields"][name] for issue in seen]
    default = max(set(map(str, values)), key=list(map(str, values)).count) if len(values) > 3 else ""
    trackers = {issue["tracker"] for issue in seen} if len(values) > 3 else {t["name"] for t in context["trackers"]}
    several = any(isinstance(value, list) for value in values)
    flat = [part for value in values for part in (value if isinstance(value, list) else [value])]
    kind = "float" if "float" in name.lower() else "list" if several or name in LISTS else "string"
    return {
        "id": one.get("id"),
        "name": name,
        "format": kind,
        "multiple": several,
        "default": default,
        "values": sorted({*map(str, flat), *LISTS.get(name, ())}) if kind == "list" else [],
        "trackers": sorted(trackers),
    }


def _number(fields: list[dict[str, Any]], changes: list[Any]) -> None:
    """Give the fields without an id those that changes name, else the next ones."""
    taken = {one["id"] for one in fields}
    free = [int(c["key"]) for _, c in changes if c["property"] == "cf" and int(c["key"]) not in taken]
    free += range(100, 200)
    for one in fields:
        if one["id"] is None:
            one["id"] = free.pop(0)

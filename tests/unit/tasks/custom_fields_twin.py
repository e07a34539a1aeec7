"""A Redmine that knows custom fields only, of issues and of projects.

What the real one does is asserted in `tests/real/test_hours.py`.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.unit.redmine.tiny import Seen, answer

HOURS, FIRST = {"id": 31, "name": "Hours"}, {"id": 32, "name": "First response"}


@dataclass
class Fields:
    """A Redmine with custom fields of issues and of a project. It takes no value of the fields that it `drops`, and
    refuses what is written to the paths in `closed`.
    """

    values: dict[str, dict[int, str]] = field(default_factory=dict)
    drops: set[int] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    writes: list[tuple[str, dict[int, str]]] = field(default_factory=list)

    def serve(self, seen: Seen) -> bytes:
        """Answer one request."""
        kind, _, number = seen.path.removesuffix(".json").strip("/").partition("/")
        if (kind, number) == ("users", "current"):
            return answer(json.dumps({"user": {"id": 3, "login": "bridge", "firstname": "M", "lastname": "B"}}))
        if kind == "trackers":
            tracker = {"id": 1, "name": "Bug", "enabled_standard_fields": ["priority_id"]}
            return answer(json.dumps({"trackers": [tracker]}))
        if seen.method == "PUT":
            return self.put(f"{kind}/{number}", json.loads(seen.body)[kind[:-1]]["custom_fields"])
        found: dict[str, Any] = {"id": int(number) if number.isdecimal() else 7, "identifier": "desk", "name": "Desk"}
        held = self.values.get(f"{kind}/{number}", {})
        found["custom_fields"] = [one | {"value": held.get(int(str(one["id"])), "")} for one in (HOURS, FIRST)]
        found |= {"issue_custom_fields": [HOURS, FIRST], "trackers": [{"id": 1, "name": "Bug"}]}
        return answer(json.dumps({kind[:-1]: found}))

    def put(self, path: str, fields: list[dict[str, Any]]) -> bytes:
        """Take values."""
        if path in self.closed:
            return answer(json.dumps({"errors": ["Hours is invalid"]}), "422 Unprocessable Entity")
        written = {one["id"]: one["value"] for one in fields}
        self.writes.append((path, written))
        kept = {number: value for number, value in written.items() if number not in self.drops}
        self.values.setdefault(path, {}).update(kept)
        return answer("", "204 No Content")

"""A Redmine that knows time entries only: lists them by number, filtered by project, a page at a time, as the real one.

What the real one does is asserted in `tests/real/test_hours.py`.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from redmine_mailbridge.redmine.client import Client, Connection
from tests.unit.redmine.tiny import Seen, answer, serve


@dataclass(slots=True)
class Twin:
    """`rows` are its time entries by number, as the API tells them; while it is `broken` it answers without a list."""

    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    next_id: int = 1
    asked: int = 0
    broken: bool = False
    before: Callable[["Twin"], None] = lambda _twin: None

    def add(self, *, issue: int = 1, project: int = 1, hours: float = 1.0, user: str = "Anna", **more: Any) -> int:
        """Given what matters, make an entry. Return its number."""
        number, self.next_id = self.next_id, self.next_id + 1
        self.rows[number] = {
            "id": number,
            "project": {"id": project, "name": f"Project {project}"},
            "issue": {"id": issue},
            "user": {"id": 1, "name": user},
            "activity": {"id": 1, "name": more.get("activity", "Support")},
            "hours": hours,
            "spent_on": more.get("spent_on", "2026-03-01"),
            "created_on": "2026-03-01T10:00:00Z",
            "updated_on": "2026-03-01T10:00:00Z",
        }
        return number

    def answer(self, seen: Seen) -> bytes:
        """One request."""
        self.asked += 1
        self.before(self)
        asked = parse_qs(urlsplit(seen.target).query)
        projects = {int(one) for one in asked.get("v[project_id][]", [])}
        rows = [row for _, row in sorted(self.rows.items()) if not projects or row["project"]["id"] in projects]
        offset, limit = int(asked["offset"][0]), int(asked["limit"][0])
        page = {"time_entries": rows[offset : offset + limit], "total_count": len(rows)}
        return answer(json.dumps({} if self.broken else page))


@contextmanager
def twin() -> Iterator[tuple[Twin, Client]]:
    """A twin, and a client of it."""
    made = Twin()
    with serve(made.answer) as tiny:
        client = Client(Connection(tiny.url, "key"))
        try:
            yield made, client
        finally:
            client.close()

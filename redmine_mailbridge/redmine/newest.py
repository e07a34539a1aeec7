"""The newest known issue: everything created from now on comes after it.

Numbers only grow, and every response of Redmine contains some, so that this rarely costs a request and needs no clock.
If the newest issue was deleted its number may be reused (SQLite under Redmine 5.0, MySQL before 8.0 after a
restart, a restored database): then Redmine's creation time of the deleted issue shows what came
later.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.redmine.client import Client, Params
from redmine_mailbridge.redmine.responses import Response

LIFE = 600.0
"""Seconds for which one is used. An older one is also correct, but a search from there lists more."""
NEWEST: Params = [("status_id", "*"), ("sort", "id:desc"), ("limit", 1)]


class IssueMark(NamedTuple):
    """An issue that existed: its number, and its creation time as written by Redmine ("" if unknown)."""

    number: int = 0
    made: str = ""


class NewestIssue:
    """Learns from every response to the client, and sends a request only if none was recent. Thread-safe."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._mark = IssueMark()
        self._until = float("-inf")
        client.on_answer(self._learn)

    def mark(self) -> IssueMark:
        """Return an issue that precedes everything created from now on: at most one request, and none while
        other responses contain it. Mark() if the key sees no issue. Raise RedmineUnavailable.
        """
        with self._asking:
            if self._clock() >= self._until:
                self._ask()
            return self._mark

    def _ask(self) -> None:
        with self._lock:
            self._mark = IssueMark()
        try:
            self._client.get("/issues.json", NEWEST)  # the response contains it, as every response does
        except RedmineRefused as error:
            if error.status != 403:
                raise
        with self._lock:
            self._until = self._clock() + LIFE

    def _learn(self, method: str, path: str, answer: Response, _as_login: str | None) -> None:
        """A newly created issue is the newest; any other is as old as the newest, or older."""
        issue = answer.get("issue")
        rows = [issue] if isinstance(issue, dict) else answer.get("issues")
        seen = [mark_of(row) for row in rows if "id" in row] if isinstance(rows, list) else []
        with self._lock:
            self._mark = max([self._mark, *seen])
            if seen and method == "post" and path == "/issues.json":
                self._until = self._clock() + LIFE


def mark_of(issue: Mapping[str, Any]) -> IssueMark:
    """Given an issue from the API, return it as a mark."""
    return IssueMark(int(issue["id"]), str(issue.get("created_on") or ""))

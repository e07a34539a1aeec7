"""The newest issue that is known: what is made from now on comes after it.

Numbers only grow, and every answer of Redmine tells some, so that this costs next to no request and needs no clock.
Where the newest issue was deleted its number may come again (SQLite under Redmine 5.0, MySQL before 8.0 when it is
started anew, a database that was put back): then the time that Redmine wrote to the one that is gone tells what came
later.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.redmine.client import Client, Params
from redmine_mailbridge.redmine.responses import Answer

LIFE = 600.0
"""Seconds for which one is used. One that is older is right too, but a look that begins there lists more."""
NEWEST: Params = [("status_id", "*"), ("sort", "id:desc"), ("limit", 1)]


class Mark(NamedTuple):
    """An issue that was there: its number, and when it was made, as Redmine wrote that ("" where it is not known)."""

    number: int = 0
    made: str = ""


class NewestIssue:
    """Learns from every answer to the client, and asks only where none has told it of late. Safe to share."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._mark = Mark()
        self._until = float("-inf")
        client.on_answer(self._learn)

    def mark(self) -> Mark:
        """Return an issue that every one comes after that is made from now on: at most one request, and none while
        others told it. Mark() when there is none that the key may see. Raise RedmineUnavailable.
        """
        with self._asking:
            if self._clock() >= self._until:
                self._ask()
            return self._mark

    def _ask(self) -> None:
        with self._lock:
            self._mark = Mark()
        try:
            self._client.get("/issues.json", NEWEST)  # whose answer tells it, as every answer does
        except RedmineRefused as error:
            if error.status != 403:
                raise
        with self._lock:
            self._until = self._clock() + LIFE

    def _learn(self, method: str, path: str, answer: Answer) -> None:
        """An issue that was just made is the newest; any other is as old as the newest, or older."""
        issue = answer.get("issue")
        rows = [issue] if isinstance(issue, dict) else answer.get("issues")
        seen = [mark_of(row) for row in rows if "id" in row] if isinstance(rows, list) else []
        with self._lock:
            self._mark = max([self._mark, *seen])
            if seen and method == "post" and path == "/issues.json":
                self._until = self._clock() + LIFE


def mark_of(issue: Mapping[str, Any]) -> Mark:
    """Given an issue as the API shows it, return it as a mark."""
    return Mark(int(issue["id"]), str(issue.get("created_on") or ""))

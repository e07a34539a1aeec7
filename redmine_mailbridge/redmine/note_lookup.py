"""Finds the issue of a note of which a message contains only the number. Redmine's REST API cannot be queried for it.

Redmine's own Message-IDs contain the second in which the note was created, and its issue was changed then or later: the
issues changed since are checked, the ones changed longest ago first, since most changes after a notification
are the reply to it.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.util.cache import Cache

MOST_ISSUES = 20
"""Maximum number of issues checked for one number. A reply to an older note creates a new issue instead."""
UNKNOWN_LIFE = 600.0
"""Seconds for which "no issue has such a note" is cached."""
KNOWN_LIFE = 24 * 3600.0


class NoteLocator:
    """Finds the issues of notes. Thread-safe."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        self._client = client
        self._issues: Cache[tuple[int, str], int | None] = Cache(KNOWN_LIFE, clock)

    def issue_of(self, journal: int, stamp: str) -> int | None:
        """Given a note's number and the time stamp beside it (YYYYmmddHHMMSS, UTC; untrusted input),
        return the number of its issue, or None if it was not found. At most MOST_ISSUES + 1 requests.
        """
        return self._issues.get(
            (journal, stamp),
            lambda: self._search(journal, stamp),
            lambda issue: UNKNOWN_LIFE if issue is None else KNOWN_LIFE,
        )

    def _search(self, journal: int, stamp: str) -> int | None:
        since = _time(stamp)
        if since is None:
            return None
        params: list[tuple[str, str | int]] = [
            ("status_id", "*"), ("sort", "updated_on"), ("limit", MOST_ISSUES),
            ("updated_on", f">={since:%Y-%m-%dT%H:%M:%SZ}"),
        ]  # fmt: skip
        for entry in self._client.get("/issues.json", params).get("issues", []):
            number = int(entry["id"])
            if journal in {int(entry["id"]) for entry in self._fetch(number).get("journals", ())}:
                return number
        return None

    def _fetch(self, number: int) -> Mapping[str, Any]:
        answer = self._client.get_or_none(f"/issues/{number}.json", [("include", "journals")])
        return {} if answer is None else answer["issue"]


def _time(stamp: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=dt.UTC)
    except ValueError:
        return None

"""The issues that Redmine returned in full during writes, so that the local copy does not fetch them again.

Redmine responds to a POST of an issue with the issue as created, and a note is confirmed by reading its issue with its
history. Both contain all data of the copy. The consumer compares the time of change with that in Redmine's list,
so that later changes are still read.
"""

import json
import re
import sys
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.responses import Response, is_closed
from redmine_mailbridge.util.dataclass import dataclass

MOST = 4_000_000
"""Characters that are cached: those of 30,000 new issues. The oldest is dropped first, and fetched again."""
OWN = ("subject", "created_on", "updated_on")
ALIKE = (
    "project", "tracker", "status", "priority", "author", "assigned_to", "is_private", "closed_on", "custom_fields",
)  # fmt: skip
"""Fields that many new issues have in common: together with the history they are cached once for all of these."""
JOURNAL = ("id", "user", "created_on", "private_notes")
ISSUE = re.compile(r"/issues/(\d+)(?:\.json|/)")
WATCHERS = "/watchers.json"


@dataclass(frozen=True, slots=True)
class CachedIssue:
    """An issue as Redmine returned it, `at` in seconds since the epoch by the local clock. Of texts it contains only
    the subject and private notes, which may name third parties: a public note is "x" if there is one.
    """

    issue_data: Mapping[str, Any]
    at: float


class RecentIssues:
    """Learns from every response to the client. Thread-safe."""

    def __init__(self, client: Client, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[float, str, str]] = OrderedDict()
        self._uses: Counter[str] = Counter()
        self._size = 0
        client.on_answer(self._learn)

    def take(self, number: int) -> CachedIssue | None:
        """Given an issue's number, remove and return its last known state; None if the bridge has changed it
        since, or it was not returned.
        """
        with self._lock:
            at, own, alike = self._drop(number)
        if not own:
            return None
        issue_data = {"id": number} | json.loads(own) | json.loads(alike)
        if "created_on" in issue_data:
            issue_data.setdefault("updated_on", issue_data["created_on"])
        return CachedIssue(issue_data, at)

    def _learn(self, method: str, path: str, answer: Response, as_login: str | None) -> None:
        """A new issue has no history yet, unless it is closed: a plugin may have closed it, which its history shows.
        Any other is cached only with its history, as the bridge itself sees it. An issue that the bridge changes is
        dropped.
        """
        issue = answer.get("issue")
        shown = issue if isinstance(issue, dict) and "id" in issue else None
        if shown is not None and method == "post" and path == "/issues.json":
            self._keep(shown | {"journals": ()}, known=not is_closed(shown))
        elif shown is not None and method == "get" and as_login is None and "journals" in shown:
            self._keep(shown)
        elif method != "get" and (changed := ISSUE.match(path)) is not None and not path.endswith(WATCHERS):
            with self._lock:
                self._drop(int(changed[1]))

    def _keep(self, shown: Mapping[str, Any], *, known: bool = True) -> None:
        number = int(shown["id"])
        is_new = shown.get("updated_on") == shown.get("created_on")  # then one of them is enough
        own = _as_text({name: shown[name] for name in (OWN[:2] if is_new else OWN) if name in shown})
        alike = {name: shown[name] for name in ALIKE if name in shown}
        shared = sys.intern(_as_text(alike | {"journals": _slim(shown["journals"])}))
        with self._lock:
            self._drop(number)
            if not known:
                return
            self._kept[number] = (self._clock(), own, shared)
            self._uses[shared] += 1
            self._size += len(own) + (len(shared) if self._uses[shared] == 1 else 0)
            while self._size > MOST:
                self._drop(next(iter(self._kept)))

    def _drop(self, number: int) -> tuple[float, str, str]:
        """Forget an issue. Return when it was returned, and how, in two parts; "" if it is not cached."""
        dropped = self._kept.pop(number, (0.0, "", ""))
        _, own, shared = dropped
        self._size -= len(own)
        if self._uses[shared] > 1:
            self._uses[shared] -= 1
        else:
            del self._uses[shared]
            self._size -= len(shared)
        return dropped


def _as_text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"))


def _slim(journals: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {name: journal[name] for name in JOURNAL if name in journal}
        | {"notes": _note(journal)}
        | {"details": [change for change in journal.get("details", ()) if _counts(change)]}
        for journal in journals
    ]


def _counts(change: Mapping[str, Any]) -> bool:
    """Of the changes in the history, those of the status and of custom fields are cached: who has made them matters."""
    return change.get("name") == "status_id" or change.get("property") == "cf"


def _note(journal: Mapping[str, Any]) -> str:
    """What is cached of a note: a private one may be for third parties, which its text shows."""
    text = str(journal.get("notes") or "").strip()
    return text if journal.get("private_notes") or not text else "x"

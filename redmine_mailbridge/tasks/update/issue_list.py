"""Requests Redmine's list of issues for the issue copy: issues changed since a time, and issues by ID."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from redmine_mailbridge.redmine.client import PAGE, Client
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.tasks.update.issue_reader import UNKNOWN_SKEW, seconds
from redmine_mailbridge.util.dataclass import dataclass

OVERLAP = 300.0
"""Seconds for which a change may be under way in Redmine before anybody can see it."""
BRIEF_OVERLAP = 5.0
"""Seconds for which almost every change is under way. Each run goes back so far; one run per OVERLAP goes back by that.
"""
NUMBERS_AT_ONCE = 400
"""How many issues one request names: about 3 kB of the URL; servers accept 8 kB."""
MOST_MISSES = 10
"""How often the pages of one run may go back. After that, what moves while the pages are read is left to the next run.
"""
ListedIssue = Mapping[str, Any]
"""An issue as Redmine's list of issues returns it."""


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far Redmine's changes are known. Times are as Redmine writes them, or seconds since the epoch (our clock).

    `newest`: the latest change seen, at `reached`. `complete`: everything before it was visible when a run last went
    back that far, at `swept_at`. Changes in between may be under way, and become visible with an earlier time than
    `newest`.
    """

    newest: str
    reached: float
    complete: str
    swept_at: float

    @classmethod
    def begin(cls, newest: str, now: float) -> Self:
        """The progress if all issues are read now, so that only later changes, and those under way now, are missing."""
        return cls(newest, now, _before(newest, OVERLAP), now)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Given stored progress, return it; that of an earlier version makes the next run go back by OVERLAP."""
        fields = json.loads(text)
        newest, reached = str(fields["newest"]), float(fields["reached"])
        return cls(
            newest, reached, str(fields.get("complete") or _before(newest, OVERLAP)), fields.get("swept_at", 0.0)
        )

    def sweep_is_due(self, now: float) -> bool:
        """Is it OVERLAP since a run went back to everything that may have been under way? Also if the clock was set
        back.
        """
        return not 0.0 <= now - self.swept_at < OVERLAP

    def saw(self, newest: str, now: float) -> Self:
        """The progress after this change was seen."""
        return replace(self, newest=newest, reached=now) if newest > self.newest else self

    def swept(self, before: "SyncProgress", began: float) -> Self:
        """The progress after a run that began then, with this progress before, went back to `before.complete`.

        By Redmine's clock it began at least as long after `before.newest` as by the local clock; all that is OVERLAP
        older was visible.
        """
        elapsed = max(0.0, began - before.reached)
        over = before.newest if elapsed >= OVERLAP else _before(before.newest, OVERLAP - elapsed)
        return replace(self, complete=max(self.complete, over), swept_at=began)


class IssueList:
    """Requests lists of issues. Safe to share among threads; each method raises RedmineUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._fractions = True
        """Whether Redmine's database has fractions of seconds: `>=` then returns issues of the second before, too."""

    def newest(self) -> ListedIssue | None:
        """The issue changed last; None when the API key may see none."""
        return next(iter(self._ask([("sort", "updated_on:desc"), ("limit", 1)])), None)

    def since(self, progress: SyncProgress, now: float, *, sweep: bool) -> str:
        """From when on to ask, for a run that goes back as far as changes may be under way (`sweep`), or only a little.

        Never later than Redmine's present time, by its clock as last seen. If that is unknown, a newest change far in
        the future (Redmine's clock was wrong for a while) is ignored.
        """
        back = OVERLAP if sweep else BRIEF_OVERLAP
        since = progress.complete if sweep else max(progress.complete, _before(progress.newest, BRIEF_OVERLAP))
        skew = self._client.clock_offset
        if skew is None:
            ahead = seconds(progress.newest) > now + UNKNOWN_SKEW
            return as_text(now - UNKNOWN_SKEW - back) if ahead else since
        elapsed = min(max(0.0, now - progress.swept_at), OVERLAP) if sweep else 0.0
        return min(since, as_text(now + skew.total_seconds() - back - elapsed))

    def pages(self, since: str) -> Iterator[list[ListedIssue]]:
        """The issues changed since then, oldest first. Each page is requested from the last issue of the previous page:
        by its time, and by its place. If that issue is not on it, some before it have moved to the end of the list (or
        the database has no fractions), and all since its time are read. A list that has no order is read to its end.
        """
        offset, misses = 0, 0
        last: tuple[int, str] | None = None
        seen: set[tuple[int, str]] = set()
        while True:
            page = self._changed(since, offset)
            shown = [(int(issue["id"]), str(issue["updated_on"])) for issue in page]
            if offset and last not in shown and misses < MOST_MISSES:
                offset, misses = 0, misses + 1
                continue
            if any(changed < since for _, changed in shown):
                self._fractions = True
            elif not offset and any(changed == _before(since, 1) for _, changed in seen):
                self._fractions = False
            yield [issue for issue, key in zip(page, shown, strict=True) if key not in seen]
            if len(page) < PAGE:
                return
            seen, last = set(shown), shown[-1]
            if last[1] > since:
                since = last[1]
                first = _before(since, 1) if self._fractions else since
                offset = sum(changed >= first for _, changed in shown) - 1
            else:
                offset += PAGE - 1

    def _changed(self, since: str, offset: int) -> list[ListedIssue]:
        return self._ask(
            [*_filter("updated_on", ">=", since), ("sort", "updated_on,id"), ("limit", PAGE), ("offset", offset)]
        )

    def among(self, numbers: Sequence[int]) -> list[ListedIssue]:
        """Given issue IDs, at most one page of them, return the issues that are listed."""
        return self._ask([*_named(numbers), ("limit", PAGE)])

    def with_notes(self, numbers: Sequence[int]) -> set[int]:
        """Given issue IDs, return those of issues with a note; one request per NUMBERS_AT_ONCE. A Redmine without this
        filter returns all.
        """
        noted: set[int] = set()
        for some in chunks(numbers, NUMBERS_AT_ONCE):
            for start in range(0, len(some), PAGE):
                page = self._ask([*_named(some), *_filter("notes", "*"), ("limit", PAGE), ("offset", start)])
                noted |= {int(issue["id"]) for issue in page}
                if len(page) < PAGE:
                    break
        return noted

    def _ask(self, params: Sequence[tuple[str, str | int]]) -> list[ListedIssue]:
        issues: list[ListedIssue] = self._client.get("/issues.json", [*_filter("status_id", "*"), *params]).get(
            "issues", []
        )
        return issues


def _filter(field: str, operator: str, *values: str) -> tuple[tuple[str, str], ...]:
    return ("f[]", field), (f"op[{field}]", operator), *((f"v[{field}][]", value) for value in values)


def _named(numbers: Sequence[int]) -> tuple[tuple[str, str], ...]:
    return _filter("issue_id", "=", ",".join(map(str, numbers)))


def _before(time: str, by: float) -> str:
    """Given a time as the API writes it, return the one so many seconds before."""
    return as_text(seconds(time) - by)


def as_text(moment: float) -> str:
    """Given seconds since the epoch, return the time as the API reads it."""
    return dt.datetime.fromtimestamp(moment, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

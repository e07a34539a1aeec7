"""Synchronises Redmine's time entries: all of them once, then new and deleted ones, and some older pages per run.

Redmine can neither filter nor sort time entries by ID or by time of change, and does not report deletions (5.0 to
6.1: an unknown filter is ignored and returns every entry). But a sort key that it does not know, such as "id", leaves
only its final sort criterion, the ID. So each run requests, in ID order:
1. the last page: new entries, and fifty known ones;
2. if Redmine's total differs from the stored total, the first page that differs, found by binary search: an entry was
   deleted, or moved in with its issue from another project;
3. some of the older pages in turn, to find entries that were changed or moved to another issue.
Steps 2 and 3 share a request limit, so the number of requests in a run does not grow with the history.
"""

import datetime as dt
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import structlog

from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.redmine.client import PAGE, Client
from redmine_mailbridge.store.time_entries import UNITS_PER_HOUR, ReadPosition, TimeEntries, TimeEntry
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

MOST_PROJECTS = 100
"""With more projects than this, a URL would be too long to name them: the entries of all projects are stored."""
AGAIN = 50
"""How many of the newest known entries are read again: concurrent writers can make IDs visible out of order."""
SEARCH = 12
"""The minimum of requests that a run may spend on finding differences: enough for 400,000 entries at once."""
FEW = 50
"""How many entries may disappear at once without being treated as lost permissions."""


@dataclass(frozen=True, slots=True)
class SyncedEntries:
    """The result of one run: entries changed, entries stored now, requests made, and older pages read again."""

    changed: int = 0
    held: int = 0
    requests: int = 0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class TimeEntryPage:
    """A page of Redmine's list in ID order. `start` and `end`: whether it contains the first and the last entry."""

    total: int
    entries: tuple[TimeEntry, ...]
    start: bool
    end: bool


def units_of(hours: object) -> int:
    """Given an entry's hours from the API, with two decimals, return them in units of 12 seconds.

    Redmine stores a fraction and returns it with two decimals; since 6.0 it rounds to whole minutes first: "1:20" is
    returned as 1.33. A value that a whole number of minutes rounds to is read as those minutes, any other as
    hundredths of an hour.
    """
    hundredths = int((Decimal(str(hours)) * 100).to_integral_value())
    minutes = int((Decimal(str(hours)) * 60).to_integral_value())
    if (10 * minutes + 3) // 6 == hundredths:
        return minutes * (UNITS_PER_HOUR // 60)
    return hundredths * (UNITS_PER_HOUR // 100)


def entry_of(entry_data: Mapping[str, Any]) -> TimeEntry:
    """Given an entry from the API, return it as a TimeEntry."""
    user, activity = entry_data.get("user") or {}, entry_data.get("activity") or {}
    return TimeEntry(
        id=int(entry_data["id"]),
        issue=int(entry_data["issue"]["id"]) if entry_data.get("issue") else None,
        project_id=int((entry_data.get("project") or {}).get("id", 0)),
        user_id=int(user.get("id", 0)),
        user=str(user.get("name", "")),
        activity=str(activity.get("name", "")),
        units_of_12s=units_of(entry_data["hours"]),
        spent_on=_day(str(entry_data["spent_on"])),
        created_on=dt.datetime.fromisoformat(str(entry_data["created_on"])).timestamp(),
        updated_on=dt.datetime.fromisoformat(str(entry_data["updated_on"])).timestamp(),
    )


def _day(text: str) -> dt.date:
    """Parse a date from Redmine. Its year may be 0000, which Python does not support."""
    return dt.date.min if text.startswith("0000-") else dt.date.fromisoformat(text)


class TimeEntrySync:
    """Synchronises the stored time entries with Redmine's. One thread at a time.

    `sweep` is the number of older pages that each run reads again.
    """

    def __init__(self, client: Client, hours: TimeEntries, *, sweep: int = 5) -> None:
        self._client = client
        self._hours = hours
        self._sweep_pages = sweep
        self._requests = 0
        self._changed = 0
        self._reading = ReadPosition()

    def once(self, projects: Sequence[int], stop: threading.Event, *, rebuild: bool = False) -> SyncedEntries:
        """Given the relevant projects, read what changed; with `rebuild`, or on the first run, read everything.

        Raise RedmineError when Redmine is unavailable or the key may not see time entries, and when Redmine suddenly
        lists less than half of the stored entries: nothing is deleted then, since lost permissions look the same.
        """
        self._requests = self._changed = 0
        before = self._reading = self._hours.reading()
        projects_to_read = tuple(sorted(set(projects))) if len(set(projects)) <= MOST_PROJECTS else None
        if projects_to_read == ():
            return SyncedEntries(held=self._hours.count())
        if rebuild or not before.complete or (projects_to_read is None) != (before.projects is None):
            complete = self._everything(projects_to_read, stop)
        else:
            self._meet(projects_to_read, stop)
            complete = not stop.is_set()
            if complete:
                self._follow(stop)
        return SyncedEntries(self._changed, self._hours.count(), self._requests, complete)

    # ------------------------------------------------------------------ from scratch

    def _everything(self, projects: tuple[int, ...] | None, stop: threading.Event) -> bool:
        entries = {entry.id: entry for entry in self._all(projects, stop)}
        if stop.is_set():
            return False
        self._changed = len(entries)
        self._reading = ReadPosition(projects=projects, complete=True)
        self._hours.replace_all(self._reading, [entries[number] for number in sorted(entries)])
        return True

    def _all(self, projects: tuple[int, ...] | None, stop: threading.Event) -> Iterator[TimeEntry]:
        """All entries. Pages overlap by one entry: if the overlap does not match, an entry was deleted meanwhile."""
        offset, last = 0, -1
        while not stop.is_set():
            page = self._page(projects, offset)
            if last >= 0 and (not page.entries or page.entries[0].id != last):
                offset, last = max(0, offset - PAGE), -1
                continue
            yield from page.entries
            if page.end or not page.entries:
                return
            last = page.entries[-1].id
            offset += len(page.entries) - 1

    def _meet(self, projects: tuple[int, ...] | None, stop: threading.Event) -> None:
        """Add the entries of projects that became relevant and delete those of projects that no longer are."""
        if projects is None or self._reading.projects is None:
            return
        known = set(self._reading.projects)
        for project in sorted(set(projects) - known):
            entries = list(self._all((project,), stop))
            if stop.is_set():
                return
            known.add(project)
            self._reading = replace(self._reading, projects=tuple(sorted(known)))
            self._changed += self._hours.change(self._reading, entries)
        if known - set(projects):
            self._reading = replace(self._reading, projects=projects)
            self._changed += self._hours.keep_only(self._reading)

    # ------------------------------------------------------------------ what changed

    def _follow(self, stop: threading.Event) -> None:
        total = self._newest(self._hours.count())
        spent = 0
        while total != self._hours.count() and spent < SEARCH and not stop.is_set():
            before = self._requests
            total = self._search(total, SEARCH - spent)
            spent += self._requests - before
        if total == self._hours.count():
            self._reading = replace(self._reading, search=None)
            self._sweep(total, max(0, self._sweep_pages - spent), stop)

    def _newest(self, held: int) -> int:
        """Given the number of stored entries, add new ones. Return Redmine's total."""
        offset = max(0, held - AGAIN)
        page = self._page(self._reading.projects, offset)
        if held > FEW and page.total < held / 2:
            text = f"Redmine lists only {page.total} of {held} known time entries: check the permissions of the API key"
            raise RedmineUnavailable(f'{text}; if the entries were deleted, run "aggregate --rebuild"')
        if not page.entries and page.total:  # so many were deleted that this offset is past the end
            offset = max(0, page.total - AGAIN)
            page = self._page(self._reading.projects, offset)
        while True:
            self._take(page)
            if page.end or not page.entries:
                return page.total
            offset += len(page.entries) - 1
            page = self._page(self._reading.projects, offset)

    def _search(self, total: int, budget: int) -> int:
        """Find the first page that differs and store it. Return Redmine's current total.

        When the request budget is used up, the next run continues between the remaining pages.
        """
        pages = -(-max(total, self._hours.count()) // PAGE)
        low, high = self._reading.search or (0, pages)
        low, high = min(low, pages - 1), min(high, pages)
        while high - low > 1 and budget > 1:
            middle = (low + high) // 2
            page = self._page(self._reading.projects, middle * PAGE, limit=1)
            same = bool(page.entries) and page.entries[0].id == self._hours.at(middle * PAGE)
            low, high = (middle, high) if same else (low, middle)
            budget -= 1
        if high - low > 1:
            self._reading = replace(self._reading, search=(low, high))
            self._hours.change(self._reading)
            return total
        self._reading = replace(self._reading, search=None)
        page = self._page(self._reading.projects, low * PAGE)
        self._take(page)
        return page.total

    def _sweep(self, total: int, pages: int, stop: threading.Event) -> None:
        """Read some older pages again, from where the last run stopped; the newest page has been read already."""
        for _ in range(min(pages, -(-(total - PAGE) // PAGE))):
            if stop.is_set():
                return
            offset = max(0, self._hours.rank(self._reading.swept) - 1)
            if offset >= total - PAGE:
                offset = 0
            page = self._page(self._reading.projects, offset)
            if not page.entries:
                return
            self._reading = replace(self._reading, swept=page.entries[-1].id)
            self._take(page)

    def _take(self, page: TimeEntryPage) -> None:
        """Given a page without gaps, store its entries and delete all others between its first and its last."""
        if not page.entries and not (page.start and page.end):
            return
        first: int | None = None if page.start else page.entries[0].id
        last: int | None = None if page.end else page.entries[-1].id
        held = self._hours.between(first, last)
        gone = held.keys() - {entry.id for entry in page.entries}
        self._changed += self._hours.change(self._reading, page.entries, gone)

    def _page(self, projects: tuple[int, ...] | None, offset: int, *, limit: int = PAGE) -> TimeEntryPage:
        """One request."""
        params: list[tuple[str, str | int]] = [("f[]", "issue_id"), ("op[issue_id]", "*")]
        if projects is not None:
            params += [("f[]", "project_id"), ("op[project_id]", "=")]
            params += [("v[project_id][]", project) for project in projects]
        self._requests += 1
        params += [("sort", "id"), ("limit", limit), ("offset", offset)]
        answer = self._client.get("/time_entries.json", params)
        page = answer.get("time_entries")
        if not isinstance(page, list):
            raise RedmineUnavailable("GET /time_entries.json: the response has no list time_entries")
        entries = tuple(entry_of(entry_data) for entry_data in page)
        if any(entry.id >= following.id for entry, following in pairwise(entries)):
            raise RedmineUnavailable("GET /time_entries.json: the entries are not in the order of their IDs")
        total = int(answer.get("total_count", 0))
        return TimeEntryPage(total, entries, offset == 0, offset + len(page) >= total)

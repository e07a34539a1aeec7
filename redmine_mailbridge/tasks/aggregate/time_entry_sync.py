"""Reading Redmine's time entries: all of them once, then what is new, what is gone, and some pages of the rest.

Redmine filters time entries neither by when they were changed nor by their number, sorts them by neither, and does
not tell of deletions (5.0 to 6.1: an unknown filter is ignored and gives every entry). But a sort that it does not
know, such as by "id", leaves its own last resort, which is the number. So in the order of their numbers each run asks
1. for the last page: what is new, and fifty that are known;
2. if Redmine then counts other than we hold, for where ours first differ from Redmine's, by halving, and for that
   page: an entry that was deleted, or came with its issue from another project;
3. for some of the older pages in turn, for entries that were changed or moved to another issue.
What 2 and 3 may ask together is bounded, so that a run takes a number of requests that does not grow with history.
"""

import datetime as dt
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import structlog

from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.redmine.client import PAGE, Client
from redmine_mailbridge.store.time_entries import TICKS, Hours, Reading, TimeEntry

log = structlog.get_logger(__name__)

MOST_PROJECTS = 100
"""More are not named in a request, whose address has a limit: then the entries of all of Redmine are held."""
AGAIN = 50
"""So many of the newest known entries are read again: numbers become visible out of order under many writers."""
SEARCH = 12
"""The least requests that a run may spend on finding what is gone or came: enough for 400,000 entries at once."""
FEW = 50
"""So many entries may vanish at once without a question."""


@dataclass(frozen=True, slots=True)
class Read:
    """What one reading did: entries that are other than before, those held now, requests spent, and pages swept."""

    changed: int = 0
    held: int = 0
    requests: int = 0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """A part of Redmine's list, by numbers. `start` and `end`: whether it holds the first and the last of all."""

    total: int
    entries: tuple[TimeEntry, ...]
    start: bool
    end: bool


def ticks_of(hours: object) -> int:
    """Given an entry's hours as the API tells them, two decimals, return them in ticks (300 to the hour).

    Redmine keeps a fraction and tells two decimals of it, from 6.0 on of whole minutes: "1:20" comes as 1.33. What
    whole minutes would come as is taken for them, anything else for hundredths.
    """
    hundredths = int((Decimal(str(hours)) * 100).to_integral_value())
    minutes = int((Decimal(str(hours)) * 60).to_integral_value())
    if (10 * minutes + 3) // 6 == hundredths:
        return minutes * (TICKS // 60)
    return hundredths * (TICKS // 100)


def entry_of(found: Mapping[str, Any]) -> TimeEntry:
    """Given an entry as the API tells it, return the value."""
    user, activity = found.get("user") or {}, found.get("activity") or {}
    return TimeEntry(
        id=int(found["id"]),
        issue=int(found["issue"]["id"]) if found.get("issue") else None,
        project_id=int((found.get("project") or {}).get("id", 0)),
        user_id=int(user.get("id", 0)),
        user=str(user.get("name", "")),
        activity=str(activity.get("name", "")),
        ticks=ticks_of(found["hours"]),
        spent_on=_day(str(found["spent_on"])),
        created_on=dt.datetime.fromisoformat(str(found["created_on"])).timestamp(),
        updated_on=dt.datetime.fromisoformat(str(found["updated_on"])).timestamp(),
    )


def _day(text: str) -> dt.date:
    """A day as Redmine has it: of four digits of a year, 0000 too, which is none here."""
    return dt.date.min if text.startswith("0000-") else dt.date.fromisoformat(text)


class EntryReader:
    """Brings the time entries that are held in line with Redmine's. One thread at a time.

    `sweep` is how many pages of older entries each run looks at again.
    """

    def __init__(self, client: Client, hours: Hours, *, sweep: int = 5) -> None:
        self._client = client
        self._hours = hours
        self._sweep_pages = sweep
        self._requests = 0
        self._changed = 0
        self._reading = Reading()

    def once(self, projects: Sequence[int], stop: threading.Event, *, rebuild: bool = False) -> Read:
        """Given the projects that count, read what changed; with `rebuild`, or the first time, read everything.

        Raise RedmineError when Redmine is away or does not let the key see time entries, and when it suddenly shows
        less than half of what is held: then nothing is forgotten, since lost rights look the same.
        """
        self._requests = self._changed = 0
        before = self._reading = self._hours.reading()
        wanted = tuple(sorted(set(projects))) if len(set(projects)) <= MOST_PROJECTS else None
        if wanted == ():
            return Read(held=self._hours.count())
        if rebuild or not before.complete or (wanted is None) != (before.projects is None):
            complete = self._everything(wanted, stop)
        else:
            self._meet(wanted, stop)
            complete = not stop.is_set()
            if complete:
                self._follow(stop)
        return Read(self._changed, self._hours.count(), self._requests, complete)

    # ------------------------------------------------------------------ from nothing

    def _everything(self, projects: tuple[int, ...] | None, stop: threading.Event) -> bool:
        found = {entry.id: entry for entry in self._all(projects, stop)}
        if stop.is_set():
            return False
        self._changed = len(found)
        self._reading = Reading(projects=projects, complete=True)
        self._hours.replace_all(self._reading, [found[number] for number in sorted(found)])
        return True

    def _all(self, projects: tuple[int, ...] | None, stop: threading.Event) -> Iterator[TimeEntry]:
        """All entries. Each page begins with the last entry of the one before: if not, one was deleted meanwhile."""
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

    def _meet(self, wanted: tuple[int, ...] | None, stop: threading.Event) -> None:
        """Take over the entries of projects that are new to us, and forget those of projects that count no more."""
        if wanted is None or self._reading.projects is None:
            return
        known = set(self._reading.projects)
        for project in sorted(set(wanted) - known):
            found = list(self._all((project,), stop))
            if stop.is_set():
                return
            known.add(project)
            self._reading = replace(self._reading, projects=tuple(sorted(known)))
            self._changed += self._hours.change(self._reading, found)
        if known - set(wanted):
            self._reading = replace(self._reading, projects=wanted)
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
        """Given how many are held, take over what is new. Return how many Redmine counts."""
        offset = max(0, held - AGAIN)
        page = self._page(self._reading.projects, offset)
        if held > FEW and page.total < held / 2:
            text = f"Redmine shows only {page.total} of the {held} time entries that it had: look at the key's rights"
            raise RedmineUnavailable(f'{text}, and if they are really gone run "aggregate --rebuild"')
        if not page.entries and page.total:  # so many are gone that nothing stands there any more
            offset = max(0, page.total - AGAIN)
            page = self._page(self._reading.projects, offset)
        while True:
            self._take(page)
            if page.end or not page.entries:
                return page.total
            offset += len(page.entries) - 1
            page = self._page(self._reading.projects, offset)

    def _search(self, total: int, budget: int) -> int:
        """Find the first page that differs and take it over. Return how many Redmine counts now.

        Given a budget of requests: when it is used up, the next run goes on between the pages that are left.
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
        """Look at some pages of older entries again, where the last run stopped; the newest page was seen already."""
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

    def _take(self, page: Page) -> None:
        """Given a page without gaps, hold its entries, and nothing else between its first and its last."""
        if not page.entries and not (page.start and page.end):
            return
        first: int | None = None if page.start else page.entries[0].id
        last: int | None = None if page.end else page.entries[-1].id
        held = self._hours.between(first, last)
        gone = held.keys() - {entry.id for entry in page.entries}
        self._changed += self._hours.change(self._reading, page.entries, gone)

    def _page(self, projects: tuple[int, ...] | None, offset: int, *, limit: int = PAGE) -> Page:
        """One request."""
        params: list[tuple[str, str | int]] = [("f[]", "issue_id"), ("op[issue_id]", "*")]
        if projects is not None:
            params += [("f[]", "project_id"), ("op[project_id]", "=")]
            params += [("v[project_id][]", project) for project in projects]
        self._requests += 1
        params += [("sort", "id"), ("limit", limit), ("offset", offset)]
        answer = self._client.get("/time_entries.json", params)
        found = answer.get("time_entries")
        if not isinstance(found, list):
            raise RedmineUnavailable("GET /time_entries.json: no list of time_entries in the answer")
        entries = tuple(entry_of(one) for one in found)
        if any(one.id >= other.id for one, other in pairwise(entries)):
            raise RedmineUnavailable("GET /time_entries.json: they do not come in the order of their numbers")
        total = int(answer.get("total_count", 0))
        return Page(total, entries, offset == 0, offset + len(found) >= total)

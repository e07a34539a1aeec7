"""Copies issues that are conversations: reads them, a few in parallel, and stores their rows.

The program's own writes need no request: Redmine's responses contain the result (redmine/recent_issues.py). A failure
ends only the turn of its issue (issue_turns.py).
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from types import MappingProxyType

from redmine_mailbridge.store.issue_copy import IssueCopy, IssueOrigin, IssueRow, JournalRow
from redmine_mailbridge.tasks.update.beginning.conversation_starter import StartedConversation
from redmine_mailbridge.tasks.update.issue_reader import IssueReader, never_seen, seconds
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from redmine_mailbridge.util.dataclass import dataclass

NOTHING: Mapping[int, float] = MappingProxyType({})
SIDE_BY_SIDE = 4
"""How many issues are read in parallel; the adaptive limiter may allow fewer."""


@dataclass(slots=True)
class SyncResult:
    """The result of one refresh: the number of changed issues listed, the issues that were reread, those deleted."""

    listed: int = 0
    read: list[int] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


@dataclass(slots=True)
class SyncRun:
    """A refresh in progress."""

    result: SyncResult
    stop: threading.Event
    began: float
    done: set[int] = field(default_factory=set)
    copied: set[int] = field(default_factory=set)
    """Issues copied from the responses that created them."""
    doubts: dict[int, float] = field(default_factory=dict)
    """New issues copied as created, with the time when they were seen: they may have changed since."""
    listed: set[int] = field(default_factory=set)
    """Those of them that the list shows unchanged."""
    sweep: bool = False
    """Does it go back as far as changes may be under way in Redmine?"""


class IssueCopier:
    """Copies them. `turns` are those of the issues that it reads. Safe to share among threads."""

    def __init__(self, issues: IssueCopy, reader: IssueReader, turns: IssueTurns) -> None:
        self._issues = issues
        self._reader = reader
        self._turns = turns

    def read_all(self, origins: Collection[IssueOrigin], run: SyncRun, listed: Mapping[int, float] = NOTHING) -> None:
        """Given what made issues conversations, read them, a few in parallel; `listed` contains the time of the
        last change where the list shows it. Raise RedmineUnavailable or StoreError; no more issues are read then.
        """
        todo = [origin for origin in origins if origin.issue not in run.done]
        if len(todo) < 2:
            for origin in todo:
                self._read(origin, run, listed.get(origin.issue))
            return
        with ThreadPoolExecutor(min(SIDE_BY_SIDE, len(todo)), thread_name_prefix="issues") as pool:
            begun = [pool.submit(self._read, origin, run, listed.get(origin.issue)) for origin in todo]
            try:
                for reading in begun:
                    reading.result()
            finally:
                for reading in begun:
                    reading.cancel()

    def copy_created(self, some: Iterable[IssueOrigin], run: SyncRun) -> list[IssueOrigin]:
        """Copy these issues from the responses that created them. Return those without a response."""
        unseen: list[IssueOrigin] = []
        copied: list[tuple[IssueRow, list[JournalRow]]] = []
        for origin in some:
            shown = self._reader.shown(origin.issue)
            if shown is None or run.stop.is_set():
                unseen.append(origin)
            elif not self._turn(origin, lambda: copied.append(self._reader.of(shown, origin))):  # noqa: B023 - called at once
                run.done.add(origin.issue)
        self._issues.save_all(copied)
        run.copied |= {row.id for row, _ in copied}
        return unseen

    def copy(self, origin: IssueOrigin, result: SyncResult, changed: float | None = None) -> None:
        """Copy an issue. No request is made if a recent response shows its last change, of the time `changed`."""
        now = self._issues.clock()
        shown = self._reader.shown(origin.issue) if changed is not None else None
        if shown is not None and seconds(str(shown.issue_data["updated_on"])) == changed:
            self._issues.save(*self._reader.of(shown, origin))
            result.read.append(origin.issue)
            return
        before = self._issues.get(origin.issue)
        rows = self._reader.take(origin, now, before)
        if rows is not None:
            self._issues.save(*rows)
            result.read.append(origin.issue)
            return
        if before is None:
            self._issues.save(never_seen(origin, now), ())
        elif not before.gone:
            self._issues.gone(origin.issue)
        result.gone.append(origin.issue)

    def copy_started(self, run: SyncRun, number: int, start: Callable[[], StartedConversation | None]) -> bool:
        """Given an issue and what starts its conversation, do that and copy what has started. Return whether that
        succeeded; False if the run ends.
        """

        def turn() -> int:
            now = self._issues.clock()
            started = start()
            if started is None:
                return 0
            self._issues.save(*self._reader.rows(started.issue_data, started.origin, now))
            run.result.read.append(number)
            return 1

        return not run.stop.is_set() and self._turns.take(number, turn)[1]

    def _read(self, origin: IssueOrigin, run: SyncRun, changed: float | None) -> None:
        """Read one issue. A failure does not delay the others; the next run retries it."""
        if run.stop.is_set() or origin.issue in run.done:
            return
        run.done.add(origin.issue)
        if not self._turn(origin, lambda: self.copy(origin, run.result, changed)):
            self._issues.unsettle(origin.issue)

    def _turn(self, origin: IssueOrigin, work: Callable[[], None]) -> bool:
        """Given an issue and its work, do the work. Return whether it succeeded."""

        def turn() -> int:
            work()
            return 1

        return self._turns.take(origin.issue, turn)[1]

"""Updates the copy of Redmine's issues that are conversations, with as few requests as possible.

One request lists what changed in Redmine since the last run (by `updated_on`); then each listed issue that is a
conversation and was changed by others is read with one request, and so is one that becomes a conversation
(beginning/conversation_starter.py). The limits of `updated_on` are handled as follows:

- It has whole seconds, so what was read within the second of a change is not final. A new issue is final when a later
  list shows it unchanged and without notes; any other issue is read once more. The next run asks for notes, the next
  sweep for everything else.
- It is set when a change begins, but visible when the change ends, usually at once: the list overlaps the newest known
  change by BRIEF_OVERLAP seconds. Every OVERLAP seconds, a run is a sweep: its list begins with the oldest change that
  may not have been visible to the previous sweep. So a change that takes up to OVERLAP seconds is read at most OVERLAP
  seconds late, and none is listed more than a few times.
- Redmine's clock may be set back, so that new changes are older than the newest known one. The time of each new issue
  shows Redmine's clock, and the list starts before it; `take_stock` finds changes of any time.
- The list changes while its pages are read: each page is requested from the last issue of the previous page, not by
  offset.
- Deleted issues are not listed. A request for a deleted issue fails, and the issue is recorded as deleted
  (`IssueCopy.gone`). Before issues are counted, `take_stock` checks which of them are still listed, a hundred per
  request.
"""

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import partial

import structlog

from redmine_mailbridge.redmine.client import PAGE, Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.recent_issues import RecentIssues
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueOrigin, IssueRow
from redmine_mailbridge.tasks.update.beginning.conversation_starter import ConversationStarter
from redmine_mailbridge.tasks.update.issue_copier import IssueCopier, SyncResult, SyncRun
from redmine_mailbridge.tasks.update.issue_list import NUMBERS_AT_ONCE, IssueList, ListedIssue, SyncProgress
from redmine_mailbridge.tasks.update.issue_reader import (
    SAME_SECOND,
    UNKNOWN_SKEW,
    IssueReader,
    claimed,
    seconds,
)
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from redmine_mailbridge.tasks.update.requesters.requester_corrector import RequesterCorrector

log = structlog.get_logger(__name__)

STATE, STOCK = "mirror", "mirror-stock"
CLOSED_AT_ONCE = 1000
"""How many closed issues one `take_stock` checks; the next call continues after them. Open issues are all checked."""
ALONE_AT_ONCE = 100
"""How many unlisted issues it requests one by one."""
DOUBTS_AT_ONCE = 5 * NUMBERS_AT_ONCE
"""How many new issues are decided about together: their sets are memory, and each request has room for so many."""
UNSEEN_AT_ONCE = 100
"""How many issues that were never read are loaded at once; each comes with the request that created it."""


class IssueSync:
    """Refreshes the copy. `refresh` is meant for one thread at a time; concurrent calls do no harm."""

    def __init__(
        self,
        issues: IssueCopy,
        client: Client,
        metadata: MetadataCache,
        recent: RecentIssues | None = None,
        *,
        requesters: RequesterCorrector | None = None,
        starter: ConversationStarter | None = None,
        markers: Mapping[str, str] | None = None,
    ) -> None:
        self._issues = issues
        self._client = client
        self._list = IssueList(client)
        self._reader = IssueReader(client, metadata, issues.mails_of, recent, requesters, markers=markers)
        turns = IssueTurns("reading the issue", client.whoami, issues.record)
        self._copier = IssueCopier(issues, self._reader, turns)
        self._starter = starter
        self._without_notes: set[int] = set()
        """New issues that had no notes after the second of their creation, and that the next sweep decides about."""

    def refresh(self, stop: threading.Event | None = None, *, reread_all: bool = False) -> SyncResult:
        """Read what has changed. Return the result. Raise RedmineUnavailable; what was read before it is kept.

        A refresh without changes costs one request, whatever the history. With `reread_all`, every issue is read with
        one request each (after a status was renamed, or a history was edited in the database).
        """
        return self._refresh(stop or threading.Event(), reread_all=reread_all).result

    def _refresh(self, stop: threading.Event, *, reread_all: bool = False) -> SyncRun:
        run = SyncRun(SyncResult(), stop, self._issues.clock())
        result = run.result
        progress = self._progress() or self._first_progress(run.began)
        run.sweep = progress is not None and progress.sweep_is_due(run.began)
        if self._starter is not None:
            self._starter.enable(self._newest_change)
        self._read_unseen(run)
        self._copier.read_all(self._doubtful(run, reread_all=reread_all), run)
        if progress is not None:
            self._follow(progress, run)
        self._end_doubts(run)
        self._claim()
        if run.copied or result.read or result.gone:
            counts = {"copied": len(run.copied), "read": len(result.read), "gone": len(result.gone)}
            log.info("issues.refreshed", listed=result.listed, **counts)
        return run

    def take_stock(self, stop: threading.Event | None = None, *, reread_all: bool = False) -> SyncResult:
        """Refresh, then find the issues that Redmine no longer lists, or lists with a different time of change. Raise
        RedmineUnavailable.
        """
        run = self._refresh(stop or threading.Event(), reread_all=reread_all)
        numbers = self._to_look_for()
        unlisted: list[int] = []
        for start in range(0, len(numbers), PAGE):
            if run.stop.is_set():
                return run.result
            some = numbers[start : start + PAGE]
            listed = self._list.among(some)
            unlisted += sorted(set(some) - {int(issue["id"]) for issue in listed})
            self._read_changed(listed, run)
        self._copier.read_all(self._issues.origins(unlisted[:ALONE_AT_ONCE]).values(), run)
        return run.result

    def _to_look_for(self) -> list[int]:
        """All open issues, and the next of the closed ones in rotation."""
        rows = self._issues.issues()
        closed = [row.id for row in rows if row.closed]
        behind = int(self._issues.state(STOCK) or 0)
        some = [number for number in closed if number > behind][:CLOSED_AT_ONCE]
        self._issues.keep_state(STOCK, str(some[-1] if len(some) == CLOSED_AT_ONCE else 0))
        return [*(row.id for row in rows if not row.closed), *some]

    def reread(self, number: int) -> IssueRow | None:
        """Read one issue now. Return its row; None when it is not a conversation or no longer exists."""
        origin = self._issues.origins([number]).get(number)
        if origin is None:
            return None
        result = SyncResult()
        self._copier.copy(origin, result)
        return self._issues.get(number) if result.read else None

    # ------------------------------------------------------------------ the list

    def _progress(self) -> SyncProgress | None:
        kept = self._issues.state(STATE)
        return SyncProgress.from_json(kept) if kept is not None else None

    def _first_progress(self, now: float) -> SyncProgress | None:
        """On the first run, read all conversations; the list starts from now. None: there are no issues."""
        newest = self._list.newest()
        if newest is None:
            return None
        progress = SyncProgress.begin(str(newest["updated_on"]), now)
        self._issues.keep_state(STATE, json.dumps(asdict(progress)))
        return progress

    def _newest_change(self) -> float:
        """The time of Redmine's newest change, in seconds since the epoch. It is never later than Redmine's present
        time, as far as that is known. If the key sees no issue, it may see old ones later: not long before now.
        """
        newest, skew = self._list.newest(), self._client.clock_offset
        now = self._issues.clock() + (skew.total_seconds() if skew is not None else 0.0)
        doubt = UNKNOWN_SKEW if skew is None else SAME_SECOND
        if newest is None:
            return now - doubt
        changed = seconds(str(newest["updated_on"]))
        return changed if changed <= now + doubt else now

    def _follow(self, progress: SyncProgress, run: SyncRun) -> None:
        before = progress
        turn = partial(self._copier.copy_started, run)
        if self._starter is not None:
            self._starter.start_waiting(self._list.among, turn)
        for page in self._list.pages(self._list.since(progress, run.began, sweep=run.sweep)):
            run.result.listed += len(page)
            self._read_changed(page, run)
            if self._starter is not None:
                self._starter.start_listed(page, turn)
            if run.stop.is_set():
                return
            if page:
                progress = progress.saw(str(page[-1]["updated_on"]), self._issues.clock())
        if run.sweep:
            progress = progress.swept(before, run.began)
        if progress != before:
            self._issues.keep_state(STATE, json.dumps(asdict(progress)))

    def _read_changed(self, page: Iterable[ListedIssue], run: SyncRun) -> None:
        """Given a page of Redmine's list, read the conversations that changed since they were copied."""
        listed = {int(issue["id"]): issue for issue in page}
        same: set[int] = set()
        for row in self._issues.issues(listed, gone=None):
            if row.gone or row.updated_on != seconds(str(listed[row.id]["updated_on"])):
                continue
            if row.id not in run.doubts:
                same.add(row.id)
            elif not self._reader.differs(row, listed[row.id]):
                same.add(row.id)
                run.listed.add(row.id)
        changed = self._issues.origins(listed.keys() - same)
        for number in changed.keys() & run.done:  # it changed after it was read in this run; the next list is later
            self._issues.unsettle(number)
        times = {number: seconds(str(listed[number]["updated_on"])) for number in changed}
        self._copier.read_all([origin for _, origin in sorted(changed.items())], run, times)

    # ------------------------------------------------------------------ what is not final

    def _read_unseen(self, run: SyncRun) -> None:
        """Copy new issues from the responses that created them, a hundred at a time; read those without one."""
        last = 0
        while some := self._issues.missing(after=last, limit=UNSEEN_AT_ONCE):
            last = some[-1].issue
            self._copier.read_all(self._copier.copy_created(some, run), run)

    def _doubtful(self, run: SyncRun, *, reread_all: bool) -> list[IssueOrigin]:
        """Return the issues that must be read again whatever the list shows; for new issues, the list decides. Issues
        copied in this run wait for the next one.
        """
        if reread_all:
            return list(self._issues.origins([row.id for row in self._issues.issues(gone=None)]).values())
        run.doubts, again = {}, set()
        for row in self._issues.unsettled():
            if row.new and (row.id not in run.copied or _is_over(row.seen_at, run)):
                run.doubts[row.id] = row.seen_at
            elif row.id not in run.copied:
                again.add(row.id)
        return list(self._issues.origins(again).values())

    def _end_doubts(self, run: SyncRun) -> None:
        """Mark the new issues as final that the list shows unchanged and that have no notes; read those with notes.

        A sweep decides about all of them: it asks for those that its list does not contain, a page at a time, and reads
        the rest. Until then the others are only asked for notes, once.
        """
        if run.sweep:
            self._without_notes.clear()
            self._list_doubts(run)
        for some in chunks(sorted(run.doubts.keys() - run.done), DOUBTS_AT_ONCE):
            if run.stop.is_set():
                return
            remaining = set(some)
            quiet = run.listed & remaining
            over = {number for number in remaining if _is_over(run.doubts[number], run)}
            waiting = set() if run.sweep else over - quiet - self._without_notes
            noted = self._list.with_notes(sorted(quiet | waiting))
            self._issues.settle((quiet - noted) & over)
            self._without_notes = (self._without_notes | waiting) - noted
            self._copier.read_all(self._issues.origins(remaining - quiet | noted if run.sweep else noted).values(), run)

    def _list_doubts(self, run: SyncRun) -> None:
        """Look up the new issues that are older than the list."""
        unlisted = sorted(run.doubts.keys() - run.listed - run.done)
        for some in chunks(unlisted, PAGE):
            if run.stop.is_set():
                return
            self._read_changed(self._list.among(some), run)

    # ------------------------------------------------------------------ notes created by mails

    def _claim(self) -> None:
        """Attribute notes to mails that were read before the store knew that these mails had created them."""
        for number in self._issues.unclaimed():
            row = self._issues.get(number)
            if row is None:
                continue
            participants = self._reader.participants(row)
            journals = self._issues.journals([number])
            mails = self._issues.mails_of([journal.id for journal in journals])
            self._issues.save_journals(
                number, [claimed(journal, mails.get(journal.id), participants) for journal in journals]
            )


def _is_over(seen_at: float, run: SyncRun) -> bool:
    """Whether the second of an issue's last change was over when the run began."""
    return run.began >= seen_at + SAME_SECOND

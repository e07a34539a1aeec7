"""Brings the copy of Redmine's issues that came by mail up to date, with as few requests as can be.

One list of what changed in Redmine since the last time (by `updated_on`), then one request for each issue among
them that came by mail. What `updated_on` cannot tell is made up for:

- it has whole seconds: an issue read within the second in which it changed is read once more in the next run;
- it is set when a change begins, and seen when it ends: the list reaches back behind the newest by OVERLAP, until a
  run was made that long after the newest was seen;
- Redmine's clock may be set back, so that what changes now lies before the newest: by what Redmine writes into a new
  issue its clock is known, and the list reaches back behind that too; and a stocktaking reads what has changed, at
  whatever time;
- the list moves while it is read page by page: the next page begins at the last time of the page before, not at an
  offset;
- deleted issues are on no list: who asks for one learns that it is gone, and says so (`Issues.gone`). Whoever counts
  issues asks which of those that we hold are still listed (`take_stock`), a hundred with one request.
"""

import datetime as dt
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import structlog

from redmine_mailbridge.model.authorship import Entry, Sides
from redmine_mailbridge.redmine.client import PAGE, Client
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.store.issue_copy import IssueRow, Issues, JournalMail, JournalRow, Origin
from redmine_mailbridge.tasks.update.issue_reader import Snapshots, never_seen, seconds
from redmine_mailbridge.tasks.update.issue_turns import Turns

log = structlog.get_logger(__name__)

OVERLAP = 300.0
"""Seconds for which a change may be under way in Redmine before anybody can see it."""
STATE, STOCK = "mirror", "mirror-stock"
CLOSED_AT_ONCE = 1000
"""How many closed issues one stocktaking asks for; the next one goes on behind them. Open ones are all asked for."""
ALONE_AT_ONCE = 100
"""How many that are not listed it asks for one by one."""


@dataclass(slots=True)
class MirrorResult:
    """What one refresh did: how many changed issues Redmine listed, which of ours were read anew, which are gone."""

    listed: int = 0
    read: list[int] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far Redmine's changes are known: `newest` as Redmine writes times, first seen at `reached` (our clock).

    `swept`: a run was made OVERLAP after that, so that nothing older can come up any more.
    """

    newest: str
    reached: float
    swept: bool = False

    @property
    def since(self) -> str:
        """From when on to ask."""
        if self.swept:
            return self.newest
        return _text(seconds(self.newest) - OVERLAP)

    def after(self, newest: str, began: float) -> "Progress":
        """The progress after a run that began then and saw this as the newest."""
        if newest > self.newest:
            return Progress(newest, began)
        return Progress(self.newest, self.reached, self.swept or began >= self.reached + OVERLAP)


@dataclass(slots=True)
class _Run:
    """One refresh under way."""

    result: MirrorResult
    stop: threading.Event
    done: set[int] = field(default_factory=set)


class Mirror:
    """Refreshes the copy. `refresh` is called by one thread at a time; twice at once does no harm."""

    def __init__(self, issues: Issues, client: Client, directory: Directory, *, life: float = 600.0) -> None:
        self._issues = issues
        self._client = client
        self._snapshots = Snapshots(client, directory, issues.mails_of, life=life)
        self._turns = Turns("reading the issue", client.whoami, issues.record)

    def refresh(self, stop: threading.Event | None = None, *, anew: bool = False) -> MirrorResult:
        """Read what has changed. Return what was done. Raise RedmineUnavailable; what was read until then is kept.

        A refresh with nothing changed costs one request, whatever the history. `anew`: read every issue, one request
        for each, whatever is known of it (a status that has another name now, a history edited in the database).
        """
        result = MirrorResult()
        run = _Run(result, stop or threading.Event())
        began = self._issues.clock()
        progress = self._progress() or self._begin(began)
        rows = self._issues.issues(settled=None if anew else False, gone=None)
        doubtful = self._issues.origins([row.id for row in rows])
        for origin in (*self._issues.missing(), *doubtful.values()):
            self._read(origin, run)
        if progress is not None:
            self._follow(progress, began, run)
        self._claim()
        if result.read or result.gone:
            log.info("mirror.refreshed", listed=result.listed, read=len(result.read), gone=len(result.gone))
        return result

    def take_stock(self, stop: threading.Event | None = None, *, anew: bool = False) -> MirrorResult:
        """As `refresh`, then find out which issues Redmine does not show any more, or shows with another time of change
        than is known. Raise RedmineUnavailable.
        """
        run = _Run(self.refresh(stop, anew=anew), stop or threading.Event())
        numbers = self._to_look_for()
        unlisted: list[int] = []
        for start in range(0, len(numbers), PAGE):
            if run.stop.is_set():
                return run.result
            some = numbers[start : start + PAGE]
            asked: list[tuple[str, str | int]] = [("f[]", "issue_id"), ("op[issue_id]", "="), ("limit", PAGE)]
            asked.append(("v[issue_id][]", ",".join(map(str, some))))
            listed = {int(one["id"]): str(one["updated_on"]) for one in self._list(asked)}
            unlisted += sorted(set(some) - listed.keys())
            self._read_changed(listed, run)
        for origin in self._issues.origins(unlisted[:ALONE_AT_ONCE]).values():
            self._read(origin, run)
        return run.result

    def _to_look_for(self) -> list[int]:
        """All open issues, and of the closed ones the next, round and round."""
        rows = self._issues.issues()
        closed = [row.id for row in rows if row.closed]
        behind = int(self._issues.state(STOCK) or 0)
        some = [number for number in closed if number > behind][:CLOSED_AT_ONCE]
        self._issues.keep_state(STOCK, str(some[-1] if len(some) == CLOSED_AT_ONCE else 0))
        return [*(row.id for row in rows if not row.closed), *some]

    def reread(self, number: int) -> IssueRow | None:
        """Read one issue anew, now. Return its row; None when it did not come by mail, or is gone."""
        origin = self._issues.origins([number]).get(number)
        if origin is None:
            return None
        result = MirrorResult()
        self._fetch(origin, result)
        return self._issues.get(number) if result.read else None

    # ------------------------------------------------------------------ the list

    def _progress(self) -> Progress | None:
        kept = self._issues.state(STATE)
        return Progress(**json.loads(kept)) if kept is not None else None

    def _begin(self, now: float) -> Progress | None:
        """The first time: everything of ours is read one by one, so that the list begins now. None: no issue yet."""
        newest = self._list([("sort", "updated_on:desc"), ("limit", 1)])
        if not newest:
            return None
        progress = Progress(str(newest[0]["updated_on"]), now)
        self._issues.keep_state(STATE, json.dumps(asdict(progress)))
        return progress

    def _follow(self, progress: Progress, began: float, run: _Run) -> None:
        for page in self._pages(self._since(progress, began)):
            run.result.listed += len(page)
            self._read_changed({int(one["id"]): str(one["updated_on"]) for one in page}, run)
            if run.stop.is_set():
                return
            if page:
                progress = progress.after(str(page[-1]["updated_on"]), began)
        self._issues.keep_state(STATE, json.dumps(asdict(progress.after("", began))))

    def _since(self, progress: Progress, now: float) -> str:
        """From when on to ask: never later than what Redmine writes now, by its clock as it was last seen."""
        skew = self._client.skew
        if skew is None:
            return progress.since
        return min(progress.since, _text(now + skew.total_seconds() - OVERLAP))

    def _read_changed(self, listed: Mapping[int, str], run: _Run) -> None:
        """Given issues by number with when they were changed last, as Redmine lists them, read those of ours of which
        we do not know that.
        """
        known = {row.id: row for row in self._issues.issues(listed, gone=None)}
        for number, origin in sorted(self._issues.origins(listed).items()):
            row = known.get(number)
            if row is None or row.gone or row.updated_on != seconds(listed[number]):
                self._read(origin, run)

    def _pages(self, since: str) -> Iterator[list[Mapping[str, Any]]]:
        """What changed since then, oldest first, each page asked for anew from where the last one ended."""
        offset = 0
        while True:
            page = self._list(
                [("f[]", "updated_on"), ("op[updated_on]", ">="), ("v[updated_on][]", since),
                 ("sort", "updated_on,id"), ("limit", PAGE), ("offset", offset)]
            )  # fmt: skip
            yield page
            if len(page) < PAGE:
                return
            last = str(page[-1]["updated_on"])
            since, offset = (last, 0) if last > since else (since, offset + PAGE)

    def _list(self, params: list[tuple[str, str | int]]) -> list[Mapping[str, Any]]:
        always: list[tuple[str, str | int]] = [("f[]", "status_id"), ("op[status_id]", "*")]
        found: list[Mapping[str, Any]] = self._client.get("/issues.json", [*always, *params]).get("issues", [])
        return found

    # ------------------------------------------------------------------ one issue

    def _read(self, origin: Origin, run: _Run) -> None:
        """Read one issue. One that fails does not keep the others waiting; the next run comes back to it."""
        if run.stop.is_set() or origin.issue in run.done:
            return
        run.done.add(origin.issue)

        def read() -> int:
            self._fetch(origin, run.result)
            return 1

        _, ended = self._turns.take(origin.issue, read)
        if not ended:
            self._issues.unsettle(origin.issue)

    def _fetch(self, origin: Origin, result: MirrorResult) -> None:
        now = self._issues.clock()
        before = self._issues.get(origin.issue)
        found = self._snapshots.take(origin, now, before)
        if found is not None:
            self._issues.save(*found)
            result.read.append(origin.issue)
            return
        if before is None:
            self._issues.save(never_seen(origin, now), ())
        elif not before.gone:
            self._issues.gone(origin.issue)
        result.gone.append(origin.issue)

    # ------------------------------------------------------------------ notes that mails made

    def _claim(self) -> None:
        """A note that was read before the store knew that a mail had made it: say so now."""
        for number in self._issues.unclaimed():
            row = self._issues.get(number)
            if row is None:
                continue
            sides = self._snapshots.sides(row)
            journals = self._issues.journals([number])
            mails = self._issues.mails_of([one.id for one in journals])
            self._issues.save_journals(number, [_claimed(one, mails.get(one.id), sides) for one in journals])


def _claimed(one: JournalRow, mail: JournalMail | None, sides: Sides) -> JournalRow:
    if mail is None or one.mail_id is not None:
        return one
    now = sides.of(Entry(one.user_id, mail.sender, machine=mail.machine))
    side = "customer" if one.side == "customer" and not mail.machine else now
    return JournalRow(**{**asdict(one), "mail_id": mail.mail_id, "side": side})


def _text(seconds: float) -> str:
    """Given seconds since the epoch, return the time as the API reads it."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

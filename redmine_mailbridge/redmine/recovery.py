"""Searches Redmine for the results of an interrupted write. Read-only, as the key's own user.

Objects created after a request was sent have higher numbers than existing ones, independent of any clock.
"""

import datetime as dt
from collections.abc import Callable, Container, Iterator, Sequence

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.redmine.client import PAGE, Client
from redmine_mailbridge.redmine.newest import NEWEST, IssueMark, NewestIssue, mark_of
from redmine_mailbridge.redmine.recognise import (
    ApiObject,
    as_made,
    bears,
    find_journal,
    had_file,
    has_file,
    same_but_for_text,
    same_issue,
)
from redmine_mailbridge.redmine.requests import IssueRequest, NoteRequest
from redmine_mailbridge.redmine.users import Users

CLOCKS_APART = dt.timedelta(days=2)
"""Maximum clock difference where only a time is known: for requests stored by the first version."""


class WriteRecovery:
    """Finds issues and notes again. Thread-safe."""

    def __init__(self, client: Client, people: Users) -> None:
        self._client = client
        self._people = people
        self._newest = NewestIssue(client)

    def newest_issue(self) -> IssueMark:
        """Return an issue that precedes everything created from now on. At most one request, rarely one."""
        return self._newest.mark()

    def newest_issue_before(self, moment: dt.datetime) -> IssueMark:
        """Given a time, return the newest issue that certainly existed before it, by any clock."""
        day = (moment - CLOCKS_APART).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        rows = self._client.get("/issues.json", [*NEWEST, ("created_on", f"<={day}")]).get("issues", [])
        return max(map(mark_of, rows), default=IssueMark())

    def newest_journal(self, issue: int) -> int:
        """Given an issue, return the id of its newest journal, 0 if it has none: later ones have higher ids."""
        return newest_of(self.issue(issue))

    def find_issue(
        self, requests: Sequence[IssueRequest], after: IssueMark, claimed: Container[int] = (), *, shared: bool = False
    ) -> tuple[IssueRequest, int] | None:
        """Given the forms in which a request was sent, the newest first, and an issue that existed before, return the
        issue that it created, with the form that Redmine accepted.

        By its files (each belongs to one upload), else by the marker field, preferably with its text, and only with it
        if another message with the same Message-ID may have created it (`shared`); else by author, project and
        text, as they are or as they were before they were changed. `claimed` issues belong to other messages. None:
        it was not created. Raise RedmineRefused if the key may not read.
        """
        rows = [row for row in self._since(after) if int(row["id"]) not in claimed]
        writers = self._writers(requests[0])
        return (
            _first(requests, rows, has_file)
            or _first(requests, rows, lambda form, row: bears(form, row) is True and same_issue(form, row, writers))
            or (None if shared else _first(requests, rows, lambda form, row: bears(form, row) is True))
            or _first(requests, rows, lambda form, row: same_issue(form, row, writers))
            or self._edited(requests, rows)
            or _first(requests, rows, lambda form, row: same_issue(form, row, writers, closely=False))
            or _first(requests, rows, lambda form, row: same_but_for_text(form, row, writers))
        )

    def issue(self, number: int) -> ApiObject:
        """Given a number, return the issue with its journals from the API."""
        issue: ApiObject = self._client.get(
            f"/issues/{number}.json", [("include", "journals,attachments")]
        )["issue"]  # fmt: skip
        return issue

    def journal(
        self, issue: ApiObject, requests: Sequence[NoteRequest], after: int, claimed: Container[int] = (), *,
        taken: bool = False,
    ) -> tuple[NoteRequest, ApiObject] | None:  # fmt: skip
        """Given an issue with its journals, and the forms in which a note was sent, the newest first, return the
        journal above `after` that is this note, with the form that Redmine accepted, or None.

        `taken`: Redmine confirmed the request. A private note that Redmine made public is found too: it
        must not be written twice.
        """
        new = [j for j in issue.get("journals", ()) if int(j["id"]) > after and int(j["id"]) not in claimed]
        return find_journal(requests, new, self._writers(requests[0]), taken=taken) if new else None

    def _edited(self, requests: Sequence[IssueRequest], rows: Sequence[ApiObject]) -> tuple[IssueRequest, int] | None:
        """An issue that was changed or moved, or whose files were deleted, restored from its history."""
        writers = self._writers(requests[0])
        for row in rows:
            if row.get("author", {}).get("id") not in writers:
                continue
            whole = self._whole(int(row["id"]))
            before = as_made(whole)
            for form in requests:
                if had_file(form, whole) or same_issue(form, before, writers):
                    return form, int(row["id"])
        return None

    def _whole(self, number: int) -> ApiObject:
        """An issue of a list with its history; nothing if it was deleted meanwhile."""
        try:
            return self.issue(number)
        except RedmineRefused as error:
            if error.status not in (403, 404):
                raise
            return {"id": number, "project": {"id": 0}}

    def _since(self, after: IssueMark) -> list[ApiObject]:
        """The issues that came after one, by number."""
        rows = {int(row["id"]): row for row in self._above(after.number - 1)}
        there = rows.pop(after.number, None)
        if after.made and (there is None or mark_of(there) != after):  # it is gone, and its number may be reused
            later = self._above(0, ("created_on", after.made))
            rows |= {int(row["id"]): row for row in later if mark_of(row).made > after.made}
        return [rows[number] for number in sorted(rows)]

    def _above(self, number: int, *least: tuple[str, str]) -> Iterator[ApiObject]:
        """The issues above a number with at least these fields; each page starts after the one before."""
        while True:
            answer = self._client.get("/issues.json", [
                ("f[]", "status_id"), ("op[status_id]", "*"),
                *(pair for name, value in (("issue_id", str(number + 1)), *least) for pair in _at_least(name, value)),
                ("sort", "id"), ("include", "attachments"), ("limit", PAGE),
            ])  # fmt: skip
            page = [row for row in answer.get("issues", []) if int(row["id"]) > number]
            yield from page
            if not page or int(answer.get("total_count", 0)) <= len(page):
                return
            number = max(int(row["id"]) for row in page)

    def _writers(self, request: IssueRequest | NoteRequest) -> frozenset[int]:
        """Possible authors: the requested user, and the key's user at the time of the request and now: Redmine
        writes as the key's user when it ignores the header.
        """
        writers = {self._people.me().user.id, request.author_id, request.own_id}
        return frozenset(writer for writer in writers if writer is not None)


def _at_least(field: str, value: str) -> tuple[tuple[str, str], ...]:
    return ("f[]", field), (f"op[{field}]", ">="), (f"v[{field}][]", value)


def _first(
    requests: Sequence[IssueRequest], rows: Sequence[ApiObject], is_it: Callable[[IssueRequest, ApiObject], bool]
) -> tuple[IssueRequest, int] | None:
    return next(((form, int(row["id"])) for row in rows for form in requests if is_it(form, row)), None)


def newest_of(issue: ApiObject) -> int:
    """Given an issue with its journals, return the id of the newest, 0 if it has none."""
    return max((int(journal["id"]) for journal in issue.get("journals", ())), default=0)

"""Looking in Redmine for what an interrupted write may have left there. Reads only, as the key's own user."""

import datetime as dt
from collections.abc import Container, Iterator, Mapping
from typing import Any

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.drift import REFERENCES
from redmine_mailbridge.redmine.people import People, utc
from redmine_mailbridge.redmine.request import IssueRequest, NoteRequest
from redmine_mailbridge.redmine.text import same_text

UNKNOWN_SKEW = dt.timedelta(minutes=10)
"""How far apart the clocks may be as long as no answer told the server's (puma without a proxy sends no Date)."""
KNOWN_SKEW = dt.timedelta(seconds=5)
"""The rest of doubt once one did: answers take time, and Redmine shows whole seconds."""


class Look:
    """Finds issues and notes again. Safe to share among threads."""

    def __init__(self, client: Client, people: People) -> None:
        self._client = client
        self._people = people

    def find_issue(self, request: IssueRequest, not_before: dt.datetime, claimed: Container[int] = ()) -> int | None:
        """Given a request that was sent at `not_before` (UTC, our clock) or later, return the issue that it made.

        By the marker field when the request has one, else by its files (a token belongs to one upload and no other),
        else by exactly its content: project, subject, description, author, number of files; in the time since.
        `claimed` issues belong to other mails. None: it was not made.
        """
        rows = self._by_marker(*request.marker) if request.marker else self._by_content(request, not_before)
        found = [int(row["id"]) for row in rows]
        return min((number for number in found if number not in claimed), default=None)

    def find_note(
        self, request: NoteRequest, not_before: dt.datetime, claimed: Container[int] = (), *,
        after_journal_id: int = 0,
    ) -> int | None:  # fmt: skip
        """Given a note that was sent at `not_before` or later, return the id of its journal, or None.

        A private note that Redmine made public is found too: it must not be written twice.
        """
        journal = self.journal(self.issue(request.issue), request, not_before, claimed, after_journal_id)
        return None if journal is None else int(journal["id"])

    def issue(self, number: int) -> Mapping[str, Any]:
        """Given a number, return the issue with its journals as the API shows them."""
        found: Mapping[str, Any] = self._client.get(
            f"/issues/{number}.json", [("include", "journals,attachments")]
        )["issue"]  # fmt: skip
        return found

    def journal(
        self, issue: Mapping[str, Any], request: NoteRequest, not_before: dt.datetime,
        claimed: Container[int] = (), after_journal_id: int = 0,
    ) -> Mapping[str, Any] | None:  # fmt: skip
        """Given an issue with its journals (in whatever order), return the first that is this note's, or None."""
        earliest = self._earliest(not_before)
        writers = self._writers(request.author_id)
        for journal in sorted(issue.get("journals", ()), key=lambda j: int(j["id"])):
            number = int(journal["id"])
            if number in claimed or number <= after_journal_id or _too_old(journal, earliest):
                continue
            if journal.get("user", {}).get("id") in writers and _same_note(request, journal):
                return dict(journal)
        return None

    def newest_journal(self, issue: int) -> int:
        """Given an issue, return the id of its newest journal, 0 when it has none: what comes later is above it."""
        return max((int(j["id"]) for j in self.issue(issue).get("journals", ())), default=0)

    def _by_marker(self, field: int, value: str) -> Iterator[Mapping[str, Any]]:
        """All issues with this value. Redmine ignores a filter that it does not know: so each value is checked."""
        name = f"cf_{field}"
        rows = self._list(_is(name, value))
        return (row for row in rows if any(
            int(f["id"]) == field and f.get("value") == value for f in row.get("custom_fields", ())
        ))  # fmt: skip

    def _by_content(self, request: IssueRequest, not_before: dt.datetime) -> Iterator[Mapping[str, Any]]:
        earliest = self._earliest(not_before)
        writers = self._writers(request.author_id)
        since = earliest.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        filters = [
            *_is("project_id", str(request.project_id)),
            *_is("author_id", *map(str, sorted(writers))),
            ("f[]", "created_on"), ("op[created_on]", ">="), ("v[created_on][]", since),
        ]  # fmt: skip
        return (
            row for row in self._list(filters)
            if row["project"]["id"] == request.project_id
            and row.get("author", {}).get("id") in writers
            and not _too_old(row, earliest)
            and (_has_our_file(request, row) or _same_issue(request, row))
        )  # fmt: skip

    def _list(self, filters: list[tuple[str, str]]) -> Iterator[Mapping[str, Any]]:
        always = [("f[]", "status_id"), ("op[status_id]", "*"), ("sort", "id"), ("include", "attachments")]
        try:
            yield from self._client.pages("/issues.json", "issues", [*always, *filters])
        except RedmineRefused as error:
            if error.status not in (403, 404):
                raise

    def _writers(self, author_id: int | None) -> frozenset[int]:
        """Who may have written: the user asked for, and the key's own, as whom Redmine writes when it ignores that."""
        own = self._people.me().user.id
        return frozenset({own} if author_id is None else {own, author_id})

    def _earliest(self, not_before: dt.datetime) -> dt.datetime:
        """Our time as the server's, less the doubt."""
        skew = self._client.skew
        return not_before - UNKNOWN_SKEW if skew is None else not_before + skew - KNOWN_SKEW


def _is(field: str, *values: str) -> list[tuple[str, str]]:
    """An exact filter; the short form cf_5=value would read operators and | out of a value."""
    return [("f[]", field), (f"op[{field}]", "="), *((f"v[{field}][]", value) for value in values)]


def _too_old(row: Mapping[str, Any], earliest: dt.datetime) -> bool:
    made = utc(row.get("created_on"))
    return made is not None and made < earliest


def _has_our_file(request: IssueRequest, row: Mapping[str, Any]) -> bool:
    """A file of ours is there, whatever somebody has made of the texts since."""
    return not request.upload_ids.isdisjoint(int(file["id"]) for file in row.get("attachments", ()))


def _same_issue(request: IssueRequest, row: Mapping[str, Any]) -> bool:
    return (
        same_text(request.attributes.get("subject"), row.get("subject"))
        and same_text(request.attributes.get("description"), row.get("description"))
        and len(row.get("attachments", ())) >= len(request.uploads)
    )


def _same_note(request: NoteRequest, journal: Mapping[str, Any]) -> bool:
    """A file of ours, or the same text; and where there is none, the same files (a mail may bring nothing else)."""
    details = [d for d in journal.get("details", ()) if d.get("property") == "attachment"]
    if not request.upload_ids.isdisjoint(int(d["name"]) for d in details if str(d.get("name", "")).isdecimal()):
        return True
    if not same_text(request.notes, journal.get("notes")):
        return False
    if request.notes.strip():
        return True
    if not request.uploads and set(request.attributes) - {"notes"} <= set(REFERENCES):
        return _same_change(request, journal)
    brought = {d.get("new_value") for d in details}
    return {upload.filename for upload in request.uploads} <= brought and bool(journal.get("details"))


def _same_change(request: NoteRequest, journal: Mapping[str, Any]) -> bool:
    """Does the journal set one of the attributes as asked? Redmine may have dropped the others."""
    asked = {(name, str(value)) for name, value in request.attributes.items()}
    made = {(d.get("name"), str(d.get("new_value"))) for d in journal.get("details", ()) if d.get("property") == "attr"}
    return not asked.isdisjoint(made)

"""What the participants of an issue's conversation may read, according to Redmine now.

Checked whenever a message about an issue is composed: a note may have become private, changed or been removed since it
was last read, and an issue or its project may have become private.
"""

from collections.abc import Callable, Mapping
from typing import Any

from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.text_cleaning import same_text
from redmine_mailbridge.util.dataclass import dataclass

INCLUDE = (("include", "journals,attachments,watchers"),)


@dataclass(frozen=True, slots=True)
class VisibleIssue:
    """An issue from the API, with its journals. `public`: anyone may see the issue and its project."""

    issue_data: Mapping[str, Any]
    public: bool

    def journal(self, number: int) -> Mapping[str, Any] | None:
        """A journal that exists and is not private; else None."""
        journals = (entry for entry in self.issue_data.get("journals", ()) if int(entry["id"]) == number)
        return next((entry for entry in journals if not entry.get("private_notes")), None)

    def private_note(self, number: int) -> str:
        """The text of a journal that exists and is private; else ""."""
        journals = (entry for entry in self.issue_data.get("journals", ()) if int(entry["id"]) == number)
        return next((str(entry.get("notes") or "") for entry in journals if entry.get("private_notes")), "")

    def says(self, journal: int | None, written: str) -> bool:
        """Given a note (None: the issue itself) and its text, does it exist, public and unchanged?"""
        if journal is None:
            return same_text(written, str(self.issue_data.get("description") or ""))
        entry = self.journal(journal)
        return entry is not None and same_text(written, str(entry.get("notes") or ""))


ShowIssue = Callable[[int], VisibleIssue | None]
"""Given an issue's number, reads it from Redmine; None if Redmine does not return it (any more)."""


def visible_issue(client: Client, number: int) -> VisibleIssue | None:
    """Given an issue's number, return its current state; None if it is not visible. Two requests, without a
    cache. Raise RedmineUnavailable.
    """
    issue_data = _shown(client, f"/issues/{number}.json", "issue")
    if issue_data is None:
        return None
    project = _shown(client, f"/projects/{int(issue_data['project']['id'])}.json", "project")
    public = project is not None and bool(project.get("is_public", False)) and not issue_data.get("is_private", False)
    return VisibleIssue(issue_data, public)


def _shown(client: Client, path: str, what: str) -> Mapping[str, Any] | None:
    answer = client.get_or_none(path, INCLUDE if what == "issue" else ())
    return None if answer is None else answer[what]

"""What of an issue the people of its conversation may read, as Redmine says at this moment.

Asked whenever mail about an issue is composed: a note may have been made private, changed or removed since it was read
last, an issue or its project made private.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.text_cleaning import same_text

INCLUDE = (("include", "journals,attachments,watchers"),)


@dataclass(frozen=True, slots=True)
class Visible:
    """An issue as the API shows it, its journals among it. `public`: anybody may see the issue and its project."""

    found: Mapping[str, Any]
    public: bool

    def journal(self, number: int) -> Mapping[str, Any] | None:
        """A journal that is there and not private; else None."""
        found = (one for one in self.found.get("journals", ()) if int(one["id"]) == number)
        return next((one for one in found if not one.get("private_notes")), None)

    def says(self, journal: int | None, written: str) -> bool:
        """Given a note (None: the issue itself) and what was written there, is it there, public and still the same?"""
        if journal is None:
            return same_text(written, str(self.found.get("description") or ""))
        found = self.journal(journal)
        return found is not None and same_text(written, str(found.get("notes") or ""))


Look = Callable[[int], Visible | None]
"""Given an issue's number, asks Redmine for it; None when Redmine does not show it (any more)."""


def look(client: Client, number: int) -> Visible | None:
    """Given an issue's number, return it as it is now; None when it is not shown to us. Two requests; nothing of it is
    remembered. Raise RedmineUnavailable.
    """
    found = _shown(client, f"/issues/{number}.json", "issue")
    if found is None:
        return None
    project = _shown(client, f"/projects/{int(found['project']['id'])}.json", "project")
    public = project is not None and bool(project.get("is_public", False)) and not found.get("is_private", False)
    return Visible(found, public)


def _shown(client: Client, path: str, what: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] = client.get(path, INCLUDE if what == "issue" else ())[what]
    except RedmineRefused as error:
        if error.status in (403, 404):
            return None
        raise
    return found

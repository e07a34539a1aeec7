"""Existing issues as samples: they show what no list of Redmine shows about a tracker's workflow and fields.

Which statuses the requesting user may set (`allowed_statuses`, since Redmine 5.0), which custom fields it shows, who
wrote notes on it. Nothing is written; answers are cached, since several places of the settings ask for the same.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.redmine.client import Client

LISTED = 25
"""How many issues are examined for a sample."""
ASKED = 3
"""How many samples are queried: one may be blocked, or closed with its parent, and so show less than others."""
Answer = TypeVar("Answer")
Sample = Mapping[str, Any]


class Samples:
    """Queries issues of one Redmine as the key's own user."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[object, ...], Any] = {}

    def statuses_after(self, project: Project, tracker: int, before: int) -> frozenset[int] | None:
        """Given the ids of a tracker and a status, return the ids of the statuses that its issues may change to; None
        if no issue has that status.
        """
        return self._once(("statuses", project.id, tracker, before), lambda: self._after(project, tracker, before))

    def fields(self, project: Project, tracker: int) -> frozenset[int] | None:
        """Given a tracker's id, return the ids of the custom fields that its issues show; None without issues."""

        def look() -> frozenset[int] | None:
            for issue in self._issues(project, tracker):
                return frozenset(int(field["id"]) for field in issue.get("custom_fields", ()))
            return None

        return self._once(("fields", project.id, tracker), look)

    def noted(self, project: Project, tracker: int, user_id: int) -> bool:
        """Given a tracker and a user, does any issue of the tracker have a note by that user?"""

        def look() -> bool:
            wrote = ("updated_by", "=", str(user_id))
            return any(
                entry.get("notes") and entry.get("user", {}).get("id") == user_id
                for issue in self._whole(self._issues(project, tracker, wrote), "journals")
                for entry in issue.get("journals", ())
            )

        return self._once(("noted", project.id, tracker, user_id), look)

    def _after(self, project: Project, tracker: int, before: int) -> frozenset[int] | None:
        allowed: set[int] = set()
        known = False
        held, alone = ("status_id", "=", str(before)), ("parent_id", "!*", "")
        for issue in self._whole(self._issues(project, tracker, held, alone), "allowed_statuses"):
            known = known or "allowed_statuses" in issue
            allowed |= {int(status["id"]) for status in issue.get("allowed_statuses", ())}
        return frozenset(allowed) if known else None

    def _whole(self, issues: Iterator[Sample], include: str) -> Iterator[Sample]:
        """The first ASKED of these issues, each with what only a single issue shows."""
        for _, issue in zip(range(ASKED), issues, strict=False):
            try:
                answer = self._client.get(f"/issues/{issue['id']}.json", [("include", include)])
            except RedmineRefused:
                continue  # deleted since, or hidden
            yield answer.get("issue", {})

    def _issues(self, project: Project, tracker: int, *filters: tuple[str, str, str]) -> Iterator[Sample]:
        """Issues of a tracker of exactly this project, the last changed first. A filter is a field, operator and value;
        the status is always given, since Redmine lists open issues by default.
        """
        held = () if any(field == "status_id" for field, _, _ in filters) else (("status_id", "*", ""),)
        params: list[tuple[str, str | int]] = [
            ("project_id", project.id),
            ("sort", "updated_on:desc"),
            ("limit", LISTED),
        ]
        for field, operator, value in (("tracker_id", "=", str(tracker)), *held, *filters):
            params += [("f[]", field), (f"op[{field}]", operator), (f"v[{field}][]", value)]
        try:
            issues = self._client.get("/issues.json", params).get("issues", ())
        except RedmineRefused:
            return
        for issue in issues:
            if (issue["project"]["id"], issue["tracker"]["id"]) == (project.id, tracker):
                yield issue

    def _once(self, key: tuple[object, ...], ask: Callable[[], Answer]) -> Answer:
        if key not in self._known:
            self._known[key] = ask()
        known: Answer = self._known[key]
        return known

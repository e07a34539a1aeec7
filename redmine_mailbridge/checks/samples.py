"""Issues that are there, as samples: what of a tracker's workflow and fields no list of Redmine tells, an issue does.

Which statuses whoever asks may give it (`allowed_statuses`, since Redmine 5.0), which custom fields it shows, whose
notes it holds. Nothing is written; what was told is kept, as several places of the settings ask for the same.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.plan import Project
from redmine_mailbridge.redmine.client import Client

LISTED = 25
"""How many issues are looked at for a sample."""
ASKED = 3
"""How many samples are asked: one may be blocked, or closed with its parent, and so tell less than others."""
Told = TypeVar("Told")
Sample = Mapping[str, Any]


class Samples:
    """Asks issues of one Redmine, as the key's own user."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[tuple[object, ...], Any] = {}

    def statuses_after(self, project: Project, tracker: int, before: int) -> frozenset[int] | None:
        """Given the ids of a tracker and a status, return those of the statuses that its issues may go to from there;
        None when no issue with that status is there to tell.
        """
        return self._once(("statuses", project.id, tracker, before), lambda: self._after(project, tracker, before))

    def fields(self, project: Project, tracker: int) -> frozenset[int] | None:
        """Given a tracker's id, return the ids of the custom fields that its issues show; None when there is none."""

        def look() -> frozenset[int] | None:
            for issue in self._issues(project, tracker):
                return frozenset(int(field["id"]) for field in issue.get("custom_fields", ()))
            return None

        return self._once(("fields", project.id, tracker), look)

    def noted(self, project: Project, tracker: int, user_id: int) -> bool:
        """Given a tracker and a user, has that one a note on an issue of the tracker?"""

        def look() -> bool:
            wrote = ("updated_by", "=", str(user_id))
            return any(
                entry.get("notes") and entry.get("user", {}).get("id") == user_id
                for issue in self._whole(self._issues(project, tracker, wrote), "journals")
                for entry in issue.get("journals", ())
            )

        return self._once(("noted", project.id, tracker, user_id), look)

    def _after(self, project: Project, tracker: int, before: int) -> frozenset[int] | None:
        found: set[int] = set()
        told = False
        held, alone = ("status_id", "=", str(before)), ("parent_id", "!*", "")
        for issue in self._whole(self._issues(project, tracker, held, alone), "allowed_statuses"):
            told = told or "allowed_statuses" in issue
            found |= {int(status["id"]) for status in issue.get("allowed_statuses", ())}
        return frozenset(found) if told else None

    def _whole(self, issues: Iterator[Sample], include: str) -> Iterator[Sample]:
        """The first ASKED of these issues, each with what is only told of one."""
        for _, issue in zip(range(ASKED), issues, strict=False):
            try:
                answer = self._client.get(f"/issues/{issue['id']}.json", [("include", include)])
            except RedmineRefused:
                continue  # gone since, or hidden
            yield answer.get("issue", {})

    def _issues(self, project: Project, tracker: int, *filters: tuple[str, str, str]) -> Iterator[Sample]:
        """Issues of a tracker of this very project, the last changed first. A filter is a field, operator and value; a
        status in any case, as Redmine lists open ones only.
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
            found = self._client.get("/issues.json", params).get("issues", ())
        except RedmineRefused:
            return
        for issue in found:
            if (issue["project"]["id"], issue["tracker"]["id"]) == (project.id, tracker):
                yield issue

    def _once(self, key: tuple[object, ...], ask: Callable[[], Told]) -> Told:
        if key not in self._known:
            self._known[key] = ask()
        told: Told = self._known[key]
        return told

"""What users may do in a public project without membership: by the role "Non member", or by the roles that the
project assigns to the group "Non member users", which replace that role.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.rights import NON_MEMBER
from redmine_mailbridge.redmine.users import Users
from redmine_mailbridge.util.cache import Cache

GROUP = "non_member"
"""The API's name of the built-in group; its membership in a project has this after "group_"."""
NOTHING: frozenset[int] = frozenset()


class NonMembers:
    """The roles of non-members, by project. Thread-safe."""

    def __init__(
        self, client: Client, people: Users, ttl: float = 600.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._people = people
        self._given: Cache[str, Mapping[int, frozenset[int]]] = Cache(ttl, clock)

    def roles(self, project: Project) -> frozenset[int]:
        """Given a project, return the ids of the roles of users without membership; none in a private project.

        With an administrator's key two requests return this for all projects, with another the project's members.
        """
        if not project.public:
            return NOTHING
        if self._people.can_find_users:
            by_project = self._given.get("", self._of_group)
        else:
            by_project = self._given.get(project.identifier, lambda: self._of_project(project))
        return by_project.get(project.id, NOTHING) or frozenset({NON_MEMBER})

    def forget(self) -> None:
        """Refresh everything."""
        self._given.clear()

    def _of_group(self) -> Mapping[int, frozenset[int]]:
        groups = self._client.get("/groups.json", [("builtin", "1")]).get("groups", ())
        number = next((int(group["id"]) for group in groups if group.get("builtin") == GROUP), None)
        if number is None:
            return {}
        answer = self._client.get(f"/groups/{number}.json", [("include", "memberships")])["group"]
        return {int(membership["project"]["id"]): _roles(membership) for membership in answer.get("memberships", ())}

    def _of_project(self, project: Project) -> Mapping[int, frozenset[int]]:
        pages = self._client.pages(f"/projects/{project.identifier}/memberships.json", "memberships")
        try:
            membership = next((entry for entry in pages if f"group_{GROUP}" in entry), None)
        except RedmineRefused as error:
            if error.status in (403, 404):
                return {}
            raise
        return {} if membership is None else {project.id: _roles(membership)}


def _roles(membership: Mapping[str, Any]) -> frozenset[int]:
    return frozenset(int(role["id"]) for role in membership.get("roles", ()))

"""What a Redmine user may do, computed from roles as Redmine computes it. Pure; denies if unsure.

Needed because a success code does not show that an attribute was dropped, and because a key without admin rights
cannot send requests as another user. Redmine itself checks it again wherever the bridge writes as
the user; elsewhere, unsure means no.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from typing import Literal

from redmine_mailbridge.model.facts import Issue, Project
from redmine_mailbridge.util.dataclass import dataclass

NON_MEMBER = 1
"""The id of the built-in role of non-members; every Redmine creates it first, and lists it nowhere."""

READING = frozenset({"view_issues", "view_project", "view_private_notes", "view_issue_watchers", "view_time_entries"})
"""The permissions that remain in a closed project."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role: its permissions, and which issues it shows."""

    id: int
    name: str
    permissions: frozenset[str] = frozenset()
    issues_visibility: Literal["all", "default", "own"] = "own"
    assignable: bool = True


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of one user: `roles` by project id, including those through groups. `admin` may do everything."""

    user_id: int
    admin: bool = False
    active: bool = True
    groups: frozenset[int] = frozenset()
    roles: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def roles_in(self, project_id: int, others: Callable[[], frozenset[int]]) -> frozenset[int]:
        """Given a project, and a lookup for the roles of non-members there, return the ids of the
        roles that apply to this user.
        """
        if not self.active:
            return frozenset()
        return self.roles.get(project_id) or others()


def allowed(rights: Rights, permission: str, project: Project, roles: Iterable[Role]) -> bool:
    """Given a user's rights and roles in this project, does the user have this permission there?"""
    if not rights.active or not project.issue_tracking:
        return False
    if not project.active and permission not in READING:
        return False
    return rights.admin or any(permission in role.permissions for role in roles)


def sees(rights: Rights, issue: Issue, project: Project, roles: Iterable[Role]) -> bool:
    """Given a user's rights and roles in the issue's project, is the issue visible to the user? Unsure means no."""
    if not rights.active or not project.issue_tracking:
        return False
    if rights.admin:
        return True
    concerned = issue.author_id == rights.user_id or (
        issue.assigned_to_id is not None and issue.assigned_to_id in rights.groups | {rights.user_id}
    )
    for role in roles:
        if "view_issues" not in role.permissions:
            continue
        if role.issues_visibility == "all" or concerned:
            return True
        if role.issues_visibility == "default" and not issue.private:
            return True
    return False

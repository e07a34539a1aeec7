"""What a Redmine user may do, computed from roles as Redmine computes it. Pure; conservative where unsure.

Needed because a success code does not tell that an attribute was dropped, and because a key without admin rights
cannot ask as another user. What is computed here is checked again by Redmine itself wherever the bridge writes as
the user; where it cannot, unsure means no.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from redmine_mailbridge.model.plan import Issue, Project

NON_MEMBER = 1
"""The id of the built-in role of users who are no members; every Redmine makes it first, and lists it nowhere."""

READING = frozenset({"view_issues", "view_project", "view_private_notes", "view_issue_watchers", "view_time_entries"})
"""What is left in a closed project."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role: what it permits, and which issues it shows."""

    id: int
    name: str
    permissions: frozenset[str] = frozenset()
    issues_visibility: Literal["all", "default", "own"] = "own"
    assignable: bool = True


@dataclass(frozen=True, slots=True)
class Rights:
    """Of one user: `roles` by project id, through groups too. `admin` may do everything."""

    user_id: int
    admin: bool = False
    active: bool = True
    groups: frozenset[int] = frozenset()
    roles: Mapping[int, frozenset[int]] = field(default_factory=dict)

    def roles_in(self, project_id: int, others: Callable[[], frozenset[int]]) -> frozenset[int]:
        """Given a project, and what tells the roles that those have there who are no members, return the ids of the
        roles that count for this user.
        """
        if not self.active:
            return frozenset()
        return self.roles.get(project_id) or others()


def allowed(rights: Rights, permission: str, project: Project, roles: Iterable[Role]) -> bool:
    """Given a user's rights and the roles that count for it in this project, may it do this there?"""
    if not rights.active or not project.issue_tracking:
        return False
    if not project.active and permission not in READING:
        return False
    return rights.admin or any(permission in role.permissions for role in roles)


def sees(rights: Rights, issue: Issue, project: Project, roles: Iterable[Role]) -> bool:
    """Given a user's rights and roles in the issue's project, is the issue shown to it? Unsure means no."""
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

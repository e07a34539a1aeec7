"""Who may change the people that get mail about an issue: members of roles and groups that the settings name.

Redmine is asked each time, so that a right that was withdrawn a minute ago does not count.
"""

from collections.abc import Collection

from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class CommandUsers:
    """The names of the roles, in an issue's project, and groups whose members may; lower case. None: no one may."""

    roles: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Does no setting name anyone?"""
        return not self.roles and not self.groups


class CommandRights:
    """Knows who may. Raises RedmineUnavailable."""

    def __init__(self, metadata: MetadataCache) -> None:
        self._metadata = metadata

    def refusal(self, users: Collection[int], project_id: int, allowed: CommandUsers) -> str:
        """Given the ids of users, the id of an issue's project and who may, return why they may not; "" if each of them
        may.
        """
        if allowed.is_empty:
            return "no one may change who gets mail (answers.command_roles, answers.command_groups)"
        if not users or not all(self._may(user_id, project_id, allowed) for user_id in users):
            return "the writer may not change who gets mail (answers.command_roles, answers.command_groups)"
        return ""

    def _may(self, user_id: int, project_id: int, allowed: CommandUsers) -> bool:
        self._metadata.people.forget_user(user_id)
        person = self._metadata.people.by_id(user_id)
        if person is None or not person.rights.active:
            return False
        groups = self._metadata.groups() if allowed.groups else {}
        if {groups.get(name) for name in allowed.groups} & person.rights.groups:
            return True
        if not allowed.roles:
            return False
        roles = self._metadata.people.roles(person.rights.roles.get(project_id, frozenset()))
        return any(role.name.strip().lower() in allowed.roles for role in roles)

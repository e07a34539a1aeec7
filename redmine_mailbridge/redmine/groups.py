"""Adds users to groups, by the groups' names. Requires a key with admin rights."""

from collections.abc import Iterable

from redmine_mailbridge.errors import RedmineRefused, RedmineUnclear
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.side_effects import SideEffect, side_effect


class Groups:
    """The groups of one Redmine. Thread-safe; all operations are idempotent."""

    def __init__(self, client: Client, metadata: MetadataCache) -> None:
        self._client = client
        self._metadata = metadata

    def join(self, user_id: int, names: Iterable[str]) -> list[str]:
        """Given a user and names of groups, add the user to each; a missing group is created.

        Return a line for each that was joined or that Redmine rejected. No request if the user is in all of them.
        Raise RedmineUnavailable if Redmine is unavailable.
        """
        lines = []
        for name in names:
            try:
                lines += [f'joins the group "{name}"'] if self._join(user_id, name) else []
            except RedmineRefused as error:
                lines.append(f'cannot join the group "{name}": {error}')
            except RedmineUnclear as error:  # it is repeated with the message
                raise error.again() from None
        return lines

    def _join(self, user_id: int, name: str) -> bool:
        people = self._metadata.people
        person = people.by_id(user_id)
        group = self._metadata.groups().get(name.strip().lower()) or self.group(name)
        if person is not None and group in person.rights.groups:
            return False
        with side_effect(SideEffect.CREATE_USER):
            try:
                self._client.post(f"/groups/{group}/users.json", {"user_id": user_id})
            except RedmineRefused as error:
                if error.status != 422:  # already a member
                    raise
        people.forget_user(user_id)
        return True

    def group(self, name: str) -> int:
        """Given a group's name, return its id; it is created if none has that name (in any case)."""
        folded = name.strip().lower()
        for group in self._client.get("/groups.json").get("groups", []):
            if str(group.get("name", "")).lower() == folded:
                return int(group["id"])
        with side_effect(SideEffect.CREATE_USER):
            return int(self._client.post("/groups.json", {"group": {"name": name.strip()}})["group"]["id"])

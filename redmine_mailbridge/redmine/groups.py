"""Makes users members of groups, by the groups' names. Needs a key with admin rights."""

from collections.abc import Iterable

from redmine_mailbridge.errors import RedmineRefused, RedmineUnclear
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.metadata import Directory
from redmine_mailbridge.side_effects import Effect, effect


class Groups:
    """The groups of one Redmine. Safe to share among threads; all of it may be done twice."""

    def __init__(self, client: Client, directory: Directory) -> None:
        self._client = client
        self._directory = directory

    def join(self, user_id: int, names: Iterable[str]) -> list[str]:
        """Given a user and names of groups, make it a member of each; a group that is missing is made.

        Return a line for each that it joined or that Redmine refused. No request when it is in all of them.
        Raise RedmineUnavailable when Redmine is away.
        """
        said = []
        for name in names:
            try:
                said += [f'joins the group "{name}"'] if self._join(user_id, name) else []
            except RedmineRefused as error:
                said.append(f'cannot join the group "{name}": {error}')
            except RedmineUnclear as error:  # it is done again with the mail
                raise error.again() from None
        return said

    def _join(self, user_id: int, name: str) -> bool:
        people = self._directory.people
        person = people.by_id(user_id)
        group = self._directory.groups().get(name.strip().lower()) or self.group(name)
        if person is not None and group in person.rights.groups:
            return False
        with effect(Effect.CREATE_USER):
            try:
                self._client.post(f"/groups/{group}/users.json", {"user_id": user_id})
            except RedmineRefused as error:
                if error.status != 422:  # it is one already
                    raise
        people.forget_user(user_id)
        return True

    def group(self, name: str) -> int:
        """Given a group's name, return its id; it is made if there is none of that name (in any case)."""
        wanted = name.strip().lower()
        for group in self._client.get("/groups.json").get("groups", []):
            if str(group.get("name", "")).lower() == wanted:
                return int(group["id"])
        with effect(Effect.CREATE_USER):
            return int(self._client.post("/groups.json", {"group": {"name": name.strip()}})["group"]["id"])

"""The roles of users who are no members, as two kinds of key learn them."""

import json
from contextlib import AbstractContextManager

import pytest

from redmine_mailbridge.model.facts import Project
from redmine_mailbridge.redmine.client import Client, Connection
from redmine_mailbridge.redmine.metadata import MetadataCache
from redmine_mailbridge.redmine.rights import Rights
from tests.unit.redmine.tiny import Seen, Tiny, answer, serve

OPEN, OTHER, PRIVATE = (
    Project(7, "open", "Open"), Project(8, "o", "O"), Project(9, "p", "P", public=False)
)  # fmt: skip
ROLES = {"id": 5, "roles": [{"id": 4, "name": "Guests"}]}


def redmine(*, admin: bool) -> AbstractContextManager[Tiny]:
    """A Redmine that gives non-members the role 4 in project 7."""

    def said(seen: Seen) -> bytes:
        pages = {
            "/users/current.json": {"user": {"id": 3, "login": "bridge", "admin": admin}},
            "/groups.json": {"groups": [{"id": 5, "builtin": "anonymous"}, {"id": 6, "builtin": "non_member"}]},
            "/groups/6.json": {"group": {"id": 6, "memberships": [ROLES | {"project": {"id": 7}}]}},
            "/projects/open/memberships.json": {
                "memberships": [ROLES | {"group_non_member": {"id": 6}}], "total_count": 1,
            },
            "/projects/o/memberships.json": {"memberships": [], "total_count": 0},
            "/roles/1.json": {"role": {"id": 1, "name": "Non member", "permissions": ["view_issues"]}},
            "/roles/4.json": {"role": {"id": 4, "name": "Guests", "permissions": ["view_issues", "add_issues"]}},
        }  # fmt: skip
        return answer(json.dumps(pages[seen.path]))

    return serve(said)


@pytest.mark.parametrize(("admin", "asked"), [(True, 2), (False, 2)], ids=["administrator", "plain"])
def test_roles_of_non_members(*, admin: bool, asked: int) -> None:
    """Where a public project gives non-members a role, that counts in place of Non member, which counts in the others;
    it is asked for once. Members keep their own, and a private project has none for others.
    """
    with redmine(admin=admin) as tiny:
        client = Client(Connection(tiny.url, "key"))
        directory = MetadataCache(client)
        for _ in range(2):
            found = [[role.id for role in directory.roles_of(Rights(9), one)] for one in (OPEN, OTHER, PRIVATE)]
            assert [[4], [1], []] == found
        assert [1] == [role.id for role in directory.roles_of(Rights(9, roles={7: frozenset({1})}), OPEN)]
        assert [True, False, False] == [directory.anyone_may("add_issues", one) for one in (OPEN, OTHER, PRIVATE)]
        paths = [seen.path for seen in tiny.seen]
        assert asked == sum("groups" in path or "memberships" in path for path in paths)
        client.close()

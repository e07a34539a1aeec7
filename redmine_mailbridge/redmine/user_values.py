"""A user as the API returns it, read as a value with its rights."""

from collections.abc import Mapping
from typing import Any, Literal

from redmine_mailbridge.model.facts import User
from redmine_mailbridge.redmine.responses import utc
from redmine_mailbridge.redmine.rights import Rights
from redmine_mailbridge.util.dataclass import dataclass

STATUS: Mapping[int, Literal["active", "registered", "locked"]] = {1: "active", 2: "registered", 3: "locked"}
STATUS_NUMBER = {name: number for number, name in STATUS.items()}


@dataclass(frozen=True, slots=True)
class UserWithRights:
    """A user with its rights, returned by one request."""

    user: User
    rights: Rights
    custom_fields: Mapping[int, str]


def user_with_rights(values: Mapping[str, Any]) -> UserWithRights:
    """Given a user from the API, return it as a value. `status` is visible to admins only."""
    user = User(
        id=int(values["id"]),
        login=str(values.get("login", "")),
        name=f"{values.get('firstname', '')} {values.get('lastname', '')}".strip(),
        mail=str(values.get("mail") or ""),
        status=STATUS.get(int(values.get("status", 1)), "locked"),
        admin=bool(values.get("admin", False)),
        created_on=utc(values.get("created_on")),
    )
    rights = Rights(
        user_id=user.id,
        admin=user.admin,
        active=user.status == "active",
        groups=frozenset(int(g["id"]) for g in values.get("groups", ())),
        roles={
            int(m["project"]["id"]): frozenset(int(r["id"]) for r in m.get("roles", ()))
            for m in values.get("memberships", ()) if "project" in m
        },
    )  # fmt: skip
    fields = {int(f["id"]): str(f.get("value") or "") for f in values.get("custom_fields", ())}
    return UserWithRights(user, rights, fields)

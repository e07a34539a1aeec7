"""Users: who owns an address, what they may do, and creating new ones. Responses are cached briefly.

Requires a key with admin rights for full results; with another it knows the members visible to the key, and
`can_find_users` is False.
"""

import time
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from redmine_mailbridge.errors import RedmineRefused, RedmineUnclear
from redmine_mailbridge.model.facts import User
from redmine_mailbridge.model.plan import NewUser
from redmine_mailbridge.policy.sender import numbered
from redmine_mailbridge.redmine.client import Client
from redmine_mailbridge.redmine.rights import Role
from redmine_mailbridge.redmine.text_cleaning import without_wide
from redmine_mailbridge.redmine.user_values import STATUS_NUMBER, UserWithRights, user_with_rights
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.util.cache import Cache

NOBODY_LIFE = 60.0
"""Seconds for which "no user has this address" is cached: short, since an admin who adds a user waits for it."""
OPEN_ISSUES_LIFE = 60.0
"""Seconds for which a count of open issues is cached: sufficient for taking turns."""
MOST_LOGINS = 50
"""How many logins are tried for a new user."""
NO_SUCH_ADDRESS = "nobody@mailbridge.invalid"


class Users:
    """The users of one Redmine. Thread-safe."""

    def __init__(self, client: Client, ttl: float = 600.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._ttl = ttl
        self._by_address: Cache[str, User | None] = Cache(ttl, clock)
        self._by_id: Cache[int, UserWithRights | None] = Cache(ttl, clock)
        self._roles: Cache[int, Role] = Cache(ttl, clock)
        self._me: Cache[str, UserWithRights] = Cache(ttl, clock)
        self._by_login: Cache[str, User | None] = Cache(ttl, clock)
        self._members: Cache[int, tuple[int, ...]] = Cache(ttl, clock)
        self._open_issues: Cache[int, int] = Cache(OPEN_ISSUES_LIFE, clock)
        self._exact: Cache[str, bool] = Cache(24 * 3600.0, clock)
        self._taken: Cache[str, bool] = Cache(ttl, clock)
        self._known_members: dict[str, int] = {}
        client.on_unknown_login(self.forget_login)

    def me(self) -> UserWithRights:
        """Return the key's own user with its rights."""
        return self._me.get("me", lambda: user_with_rights(self._client.whoami([("include", "memberships")])))

    @property
    def can_find_users(self) -> bool:
        """May the key search users, create them, and act as them? Only an admin's may."""
        return self.me().user.admin

    def by_address(self, address: str) -> User | None:
        """Given an address as written, return the user that owns it as any of its addresses, or None.

        Locked and registered users are found too. The comparison ignores case.
        """
        key = address.strip().lower()
        if "@" not in key:
            return None
        find = self._find if self.can_find_users else self._find_member
        return self._by_address.get(
            key, lambda: find(key, address.strip()), lambda user: NOBODY_LIFE if user is None else self._ttl
        )

    def is_taken(self, address: str) -> bool:
        """Given an address without a known owner, does someone own it anyway, as a rejected `create` has shown?
        Before 5.1 Redmine cannot be queried for additional addresses.
        """
        return self._taken.get(address.strip().lower(), lambda: False, lambda _taken: 0.0)

    def by_id(self, user_id: int) -> UserWithRights | None:
        """Given a user's id, return it with its rights, or None if it does not exist or is not visible to the key."""
        return self._by_id.get(user_id, lambda: self._fetch(user_id))

    def by_login(self, login: str) -> User | None:
        """Given a login, return its user, locked ones too; None if there is none, or the key cannot see it."""
        folded = login.strip().lower()
        if not folded or not self.can_find_users:
            return None
        return self._by_login.get(folded, lambda: self._find_login(folded))

    def members(self, group: str, groups: Mapping[str, int]) -> tuple[int, ...]:
        """Given a group's name and all groups, return the ids of its active members; none if the key cannot see
        them."""
        number = groups.get(group.strip().lower())
        if number is None or not self.can_find_users:
            return ()
        return self._members.get(number, lambda: self._fetch_members(number))

    def open_issues(self, user_id: int) -> int:
        """Given a user, return how many open issues are assigned to it, at most a minute old."""
        return self._open_issues.get(user_id, lambda: self._count_open(user_id))

    def role(self, role_id: int) -> Role:
        """Given a role's id, return it."""
        return self._roles.get(role_id, lambda: self._fetch_role(role_id))

    def roles(self, ids: Iterable[int]) -> tuple[Role, ...]:
        """Given ids of roles, return them."""
        return tuple(self.role(i) for i in sorted(ids))

    def remember_members(self, ids: Iterable[int]) -> None:
        """Given the user ids of a project's members, cache their addresses, for a key that cannot search users."""
        for user_id in ids:
            person = self.by_id(user_id)
            if person is not None and person.user.mail:
                self._known_members[person.user.mail.lower()] = user_id

    def forget_user(self, user_id: int) -> None:
        """Given a user's id, refresh its rights and groups."""
        self._by_id.forget(user_id)

    def forget_login(self, login: str) -> None:
        """Given a login that Redmine no longer acts as, refresh its user."""
        folded = login.lower()
        self._by_address.forget_where(lambda user: user is not None and user.login.lower() == folded)
        self._by_id.forget_where(lambda person: person is not None and person.user.login.lower() == folded)
        self._by_login.forget(folded)

    def forget(self) -> None:
        """Refresh everything."""
        for cache in (self._by_address, self._by_id, self._by_login, self._roles, self._me, self._members):
            cache.clear()

    def create(self, new: NewUser) -> User:
        """Given a new user, create it, and return it as Redmine created it. The account mail is sent only if requested.

        If the address has an owner by now (created by another message, or by an earlier try whose response was lost),
        return that one; if Redmine does not show the owner, `is_taken` reports it from then on. If another user has the
        login by now, it gets a number, or the next one: messages of several senders with the same name create theirs
        concurrently. Raise `RedmineRefused` with Redmine's messages.
        """
        for login in islice(numbered(new.login), MOST_LOGINS):
            try:
                return self._create(replace(new, login=login))
            except RedmineRefused as error:
                refused = error
                if error.status != 422 or self.by_login(login) is None:
                    raise
        raise refused

    def _create(self, new: NewUser) -> User:
        values: dict[str, Any] = {
            "login": new.login, "firstname": new.firstname[:30] or "-", "lastname": new.lastname[:255] or "-",
            "mail": new.mail, "status": STATUS_NUMBER[new.status], "generate_password": True,
        }  # fmt: skip
        if new.language:
            values["language"] = new.language
        try:
            answer = self._post_user(values, inform=new.send_information)
        except RedmineRefused as error:
            self._forget_new(new)
            owner = self.by_address(new.mail) if error.status == 422 else None
            if owner is not None:
                return owner
            if error.status == 422 and self._with_part(new.mail.strip().lower()):
                self._remember_taken(new.mail.strip().lower())
            raise
        finally:  # in any case, "no user has this address" is no longer cached
            self._forget_new(new)
        return user_with_rights(answer["user"]).user

    def _post_user(self, values: dict[str, Any], *, inform: bool) -> Mapping[str, Any]:
        """Given a new user's values, create it; with 3-byte characters if Redmine fails on others (an old MySQL).

        If it was created despite the failure, the second request is rejected, since the address has an owner.
        """
        more = {"send_information": True} if inform else {}
        narrow = {name: without_wide(value) if isinstance(value, str) else value for name, value in values.items()}
        try:
            with side_effect(SideEffect.CREATE_USER):
                return self._client.post("/users.json", {"user": values, **more})
        except RedmineUnclear as error:
            if error.settle or narrow == values:
                raise
        with side_effect(SideEffect.CREATE_USER):
            return self._client.post("/users.json", {"user": narrow, **more})

    def _remember_taken(self, key: str) -> None:
        self._taken.forget(key)
        self._taken.get(key, lambda: True)

    def _forget_new(self, new: NewUser) -> None:
        self._by_address.forget(new.mail.strip().lower())
        self._by_login.forget(new.login.lower())

    def _fetch(self, user_id: int) -> UserWithRights | None:
        answer = self._client.get_or_none(f"/users/{user_id}.json", [("include", "memberships,groups")])
        return None if answer is None else user_with_rights(answer["user"])

    def _fetch_role(self, role_id: int) -> Role:
        answer = self._client.get_or_none(f"/roles/{role_id}.json")
        if answer is None:
            return Role(role_id, f"role {role_id}")
        values = answer["role"]
        return Role(
            role_id, str(values["name"]), frozenset(values.get("permissions", ())),
            values.get("issues_visibility", "own"), bool(values.get("assignable", True)),
        )  # fmt: skip

    def _find_login(self, login: str) -> User | None:
        entries = self._with_part(login)
        exact = next((int(entry["id"]) for entry in entries if str(entry.get("login", "")).lower() == login), None)
        return self._user(exact) if exact is not None else None

    def _fetch_members(self, group: int) -> tuple[int, ...]:
        entries = self._client.get(f"/groups/{group}.json", [("include", "users")])["group"].get("users", ())
        people = [self.by_id(int(entry["id"])) for entry in entries]
        return tuple(sorted(p.user.id for p in people if p is not None and p.rights.active))

    def _count_open(self, user_id: int) -> int:
        only: list[tuple[str, str | int]] = [("assigned_to_id", user_id), ("status_id", "open"), ("limit", 1)]
        return int(self._client.get("/issues.json", only).get("total_count", 0))

    def _find_member(self, key: str, _written: str) -> User | None:
        user_id = self._known_members.get(key)
        person = self.by_id(user_id) if user_id is not None else None
        return person.user if person is not None and person.user.mail.lower() == key else None

    def _find(self, key: str, written: str) -> User | None:
        """Search users by a part of name, login or any address; find which of them has exactly this address.

        The list shows only the default address; who has it as an additional one, only Redmine 5.1 and later show. What
        the database treats as equal is compared again: on MySQL rené@ finds rene@. A non-ASCII address (5.0 accepts
        them, later versions do not) is found only as a default address.
        """
        entries = self._with_part(key)
        for entry in entries:
            if str(entry.get("mail", "")).lower() == key:
                return self._user(int(entry["id"]))
        entries = [entry for entry in entries if _plain(str(entry.get("mail", ""))) != _plain(key)]
        if not entries or not key.isascii() or not self.is_5_1():
            return None
        others = self._with_exact_address(key, written, entries)
        return self._user(others[0]) if len(others) == 1 else None

    def _with_part(self, key: str) -> list[dict[str, Any]]:
        """The users with this in a name, login or any address, in any status: `f[]` alone selects that from
        5.1 on, an empty `status` before.
        """
        return list(self._client.pages("/users.json", "users", [
            ("name", key), ("status", ""), ("f[]", "name"), ("op[name]", "~"), ("v[name][]", key),
        ]))  # fmt: skip

    def _user(self, user_id: int) -> User | None:
        person = self.by_id(user_id)
        return None if person is None else person.user

    def is_5_1(self) -> bool:
        """Is this Redmine 5.1 or later? Those filter users by address; others ignore the filter and list everyone. For
        an administrator's key.
        """

        def ask() -> bool:
            answer = self._client.get("/users.json", [*_mail_is("=", NO_SUCH_ADDRESS), ("limit", 1)])
            return answer.get("total_count") == 0

        return self._exact.get("mail", ask)

    def _with_exact_address(self, key: str, written: str, entries: list[dict[str, Any]]) -> list[int]:
        """From 5.1 on, filter by address: exactly, and, since that is case-sensitive on some databases, by both its
        ends."""
        candidates = {int(entry["id"]) for entry in entries}

        def who(operator: str, *values: str) -> set[int]:
            listed = self._client.pages("/users.json", "users", _mail_is(operator, *values))
            return {int(entry["id"]) for entry in listed} & candidates

        return sorted(who("=", key, written) or who("^", key) & who("$", key))


def _plain(address: str) -> str:
    """Given an address, return the form that a case- and accent-insensitive database compares (NFKD, without marks)."""
    taken_apart = unicodedata.normalize("NFKD", address.casefold())
    return "".join(c for c in taken_apart if unicodedata.category(c) not in ("Mn", "Cf"))


def _mail_is(operator: str, *values: str) -> list[tuple[str, str | int]]:
    return [("f[]", "mail"), ("op[mail]", operator), *(("v[mail][]", value) for value in values)]

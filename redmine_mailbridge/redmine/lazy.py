"""Names and numbers that are fetched from Redmine on first access, and cached from then on.

A project may have a thousand members, which a message without keyword lines does not need.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, ValuesView
from typing import TypeVar

from redmine_mailbridge.redmine.user_values import UserWithRights
from redmine_mailbridge.redmine.users import Users

K = TypeVar("K")
V = TypeVar("V")


class LazyMapping(Mapping[K, V]):
    """A mapping that `fetch` fills on first access; its exceptions are raised then, and not cached. Thread-safe."""

    def __init__(self, fetch: Callable[[], Mapping[K, V]]) -> None:
        self._fetch = fetch
        self._fetched: Mapping[K, V] | None = None
        self._lock = threading.Lock()

    def _all(self) -> Mapping[K, V]:
        with self._lock:
            if self._fetched is None:
                self._fetched = self._fetch()
            return self._fetched

    def __getitem__(self, key: K) -> V:
        return self._all()[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    @property
    def spellings(self) -> Mapping[str, str]:
        """The names as Redmine shows them, where what was fetched has them; else none."""
        return getattr(self._all(), "spellings", {})

    def __repr__(self) -> str:
        return f"Lazy({self._fetched!r})"


class Assignable(LazyMapping[str, int]):
    """Possible assignees of a project's issues: ids by lower-case name, of users and groups. With a key that may
    search users, a login, an address or an id is looked up singly; only other names require the whole list.
    """

    def __init__(self, project: int, people: Users, fetch: Callable[[], Mapping[str, int]]) -> None:
        super().__init__(fetch)
        self._project = project
        self._people = people

    def __getitem__(self, key: str) -> int:
        if self._people.can_find_users:
            user = self._people.by_address(key) if "@" in key else self._people.by_login(key)
            person = self._people.by_id(user.id) if user is not None else None
            if person is not None and self._may_have(person):
                return person.user.id
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        try:
            return isinstance(key, str) and self[key] is not None
        except KeyError:
            return False

    def values(self) -> ValuesView[int]:
        """The ids; membership of a single one is looked up singly, if possible."""
        return _Ids(self)

    def holds(self, number: int) -> bool:
        """Given the id of a user or a group, can it be assigned issues?"""
        person = self._people.by_id(number) if self._people.can_find_users else None
        return self._may_have(person) if person is not None else number in self._all().values()

    def _may_have(self, person: UserWithRights) -> bool:
        roles = person.rights.roles.get(self._project, frozenset())
        return person.rights.active and any(self._people.role(role).assignable for role in roles)


class _Ids(ValuesView[int]):
    def __init__(self, members: Assignable) -> None:
        super().__init__(members)
        self._members = members

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self._members.holds(value)

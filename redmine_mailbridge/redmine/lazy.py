"""Names and numbers that are asked of Redmine when somebody looks at them, and kept from then on.

A project may have a thousand members, and a mail that names nobody needs none of them.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, ValuesView
from typing import TypeVar

from redmine_mailbridge.redmine.users import People, Person

K = TypeVar("K")
V = TypeVar("V")


class Lazy(Mapping[K, V]):
    """A mapping that `fetch` fills when it is looked at first; whatever that raises is raised then, and not kept. Safe
    to share among threads.
    """

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

    def __repr__(self) -> str:
        return f"Lazy({self._fetched!r})"


class Assignable(Lazy[str, int]):
    """Whom the issues of a project can be assigned to: ids by lower-case name, of users and groups. With a key that may
    look for users a login, an address and an id are asked for one by one; only for other names is everybody asked for.
    """

    def __init__(self, project: int, people: People, fetch: Callable[[], Mapping[str, int]]) -> None:
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
        """The ids; whether one is among them is asked for it alone, where that can be."""
        return _Ids(self)

    def holds(self, number: int) -> bool:
        """Given the id of a user or a group, can it be assigned issues?"""
        person = self._people.by_id(number) if self._people.can_find_users else None
        return self._may_have(person) if person is not None else number in self._all().values()

    def _may_have(self, person: Person) -> bool:
        roles = person.rights.roles.get(self._project, frozenset())
        return person.rights.active and any(self._people.role(one).assignable for one in roles)


class _Ids(ValuesView[int]):
    def __init__(self, members: Assignable) -> None:
        super().__init__(members)
        self._members = members

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self._members.holds(value)

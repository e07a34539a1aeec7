"""A short-lived cache for what rarely changes, shared by threads: concurrent requests for a key fetch it once."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import field
from typing import Generic, TypeVar

from redmine_mailbridge.util.dataclass import dataclass

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Entry(Generic[V]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = float("-inf")
    value: V | None = None


class Cache(Generic[K, V]):
    """Values by key. `ttl` in seconds; `most` entries are kept, the least recently used is dropped first."""

    def __init__(self, ttl: float, clock: Callable[[], float] = time.monotonic, most: int = 10_000) -> None:
        self._ttl = ttl
        self._clock = clock
        self._most = most
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K, fetch: Callable[[], V], ttl: Callable[[V], float] | None = None) -> V:
        """Given a key, return its value, fetched if it is unknown or too old. Exceptions of `fetch` are not cached.

        `ttl` returns, for a fetched value, for how many seconds to cache it, if that depends on the value.
        """
        entry = self._entry(key)
        with entry.lock:
            if self._clock() >= entry.until:
                value = fetch()
                entry.value = value
                entry.until = self._clock() + (self._ttl if ttl is None else ttl(value))
            return entry.value  # type: ignore[return-value]  # always a fetched value, possibly None

    def forget(self, key: K) -> None:
        """Given a key, fetch it again on the next access."""
        with self._lock:
            self._entries.pop(key, None)

    def forget_where(self, matches: Callable[[V], bool]) -> None:
        """Given a predicate, drop every value for which it is true."""
        with self._lock:
            for key in [k for k, e in self._entries.items() if e.value is not None and matches(e.value)]:
                del self._entries[key]

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def _entry(self, key: K) -> _Entry[V]:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry()
                if len(self._entries) > self._most:
                    self._entries.popitem(last=False)
            else:
                self._entries.move_to_end(key)
            return entry

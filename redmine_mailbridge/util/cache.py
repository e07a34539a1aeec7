"""A memory with a short life for what rarely changes, shared by threads: each thing is asked for once at a time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True)
class _Entry(Generic[V]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = float("-inf")
    value: V | None = None


class Cache(Generic[K, V]):
    """Values by key. `life` in seconds; `most` entries are kept, the longest unused goes first."""

    def __init__(self, life: float, clock: Callable[[], float] = time.monotonic, most: int = 10_000) -> None:
        self._life = life
        self._clock = clock
        self._most = most
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K, fetch: Callable[[], V], life: Callable[[V], float] | None = None) -> V:
        """Given a key, return its value, fetched if it is unknown or too old. What `fetch` raises is not kept.

        `life` says, of a fetched value, for how many seconds it may be kept, where that depends on the value.
        """
        entry = self._entry(key)
        with entry.lock:
            if self._clock() >= entry.until:
                value = fetch()
                entry.value = value
                entry.until = self._clock() + (self._life if life is None else life(value))
            return entry.value  # type: ignore[return-value]  # a fetched value stands here, None among them

    def forget(self, key: K) -> None:
        """Given a key, fetch it anew when it is asked for the next time."""
        with self._lock:
            self._entries.pop(key, None)

    def forget_where(self, matches: Callable[[V], bool]) -> None:
        """Given a test, forget every value that it is true of."""
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

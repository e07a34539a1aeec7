"""A memory with a short life, shared by threads."""

import threading

import pytest

from redmine_mailbridge.util.cache import Cache


def test_cache() -> None:
    """A value is fetched once in its life, what failed is not kept, and what is forgotten is fetched again."""
    now = [0.0]
    cache: Cache[str, int] = Cache(10, lambda: now[0])
    fetched = iter(range(100))

    def get() -> int:
        return cache.get("k", lambda: next(fetched))

    assert (0, 0) == (get(), get())
    now[0] = 10
    assert 1 == get()
    cache.forget_where(lambda value: value == 1)
    assert 2 == get()
    cache.forget("k")
    with pytest.raises(ZeroDivisionError):
        cache.get("k", lambda: 1 // 0)
    assert 3 == get()


def test_cache_of_nothing() -> None:
    """That there is nothing is known for a time of its own."""
    now = [0.0]
    cache: Cache[str, int | None] = Cache(100, lambda: now[0])
    asked = []

    def fetch() -> None:
        asked.append(now[0])

    for now[0] in (0.0, 4.0, 5.0):
        cache.get("k", fetch, lambda value: 5.0 if value is None else 100.0)
    assert [0.0, 5.0] == asked


def test_cache_asks_once_at_a_time() -> None:
    """Threads that want the same at the same time ask once together."""
    cache: Cache[str, int] = Cache(10)
    asked = []
    go = threading.Barrier(8)

    def want() -> None:
        go.wait(5)
        cache.get("k", lambda: asked.append(1) or 1)  # type: ignore[func-returns-value]

    threads = [threading.Thread(target=want) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert [1] == asked


def test_cache_is_bounded() -> None:
    """Of more values than it may hold, the longest unused goes."""
    cache: Cache[int, int] = Cache(10, lambda: 0.0, most=2)
    asked: list[int] = []
    for key in (1, 2, 1, 3, 1, 2):
        cache.get(key, lambda key=key: asked.append(key) or key)  # type: ignore[misc]
    assert [1, 2, 3, 2] == asked

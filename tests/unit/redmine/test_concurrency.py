import contextlib
import threading

import pytest

from redmine_mailbridge.errors import RedmineRefused, RedmineUnavailable, RedmineUnclear
from redmine_mailbridge.redmine.concurrency import AdaptiveLimiter
from tests.clocks import Clock


def round_of(pace: AdaptiveLimiter, error: Exception | None = None) -> int:
    """As many requests at once as the pace lets through, all ending alike. Return how many they were."""
    slots = [pace.slot() for _ in range(pace.state.limit)]
    for slot in slots:
        slot.__enter__()
    for slot in slots:
        with contextlib.suppress(RedmineUnavailable, RedmineUnclear):
            slot.__exit__(type(error) if error else None, error, None)
    return len(slots)


def busy(retry_after: float | None = None) -> RedmineUnavailable:
    return RedmineUnavailable("too busy (503)", retry_after=retry_after, overloaded=True)


def test_grows() -> None:
    """While all goes well the limit grows up to the most that the settings allow, and no further."""
    pace = AdaptiveLimiter(8, Clock(0.0))
    limits = [round_of(pace) for _ in range(40)]
    assert (2, 8) == (limits[0], max(limits))
    assert 8 == pace.state.limit


def test_does_not_grow_idle() -> None:
    """One request after another does not raise the limit: it says nothing about many at once."""
    pace = AdaptiveLimiter(8, Clock(0.0))
    for _ in range(100):
        with pace.slot():
            pass
    assert 2 == pace.state.limit


@pytest.mark.parametrize("error", [busy(), RedmineUnclear("timed out", overloaded=True)])
def test_halves_once_for_a_burst(error: Exception) -> None:
    """Eight requests that fail of one overload halve the limit once, not eight times."""
    pace = AdaptiveLimiter(8, Clock(0.0))
    while pace.state.limit < 8:
        round_of(pace)
    round_of(pace, error)
    assert (4, 8) == (pace.state.limit, pace.state.overloads)


def test_never_below_one() -> None:
    """However often Redmine is overloaded, one request at a time is still made."""
    pace = AdaptiveLimiter(8, Clock(0.0))
    for _ in range(10):
        round_of(pace, busy())
    assert 1 == pace.state.limit


def test_careful_after_an_overload() -> None:
    """After an overload the limit that was found is kept for many rounds before one more is tried."""
    pace = AdaptiveLimiter(8, Clock(0.0))
    while pace.state.limit < 8:
        round_of(pace)
    round_of(pace, busy())
    rounds = 0
    while pace.state.limit == 4:
        round_of(pace)
        rounds += 1
    assert 20 <= rounds <= 25


@pytest.mark.parametrize("error", [RedmineRefused("422"), RedmineUnavailable("refused"), ValueError()])
def test_other_errors_change_nothing(error: Exception) -> None:
    """A refusal, a dead connection or a bug of ours is no sign of overload, and gives the slot back."""
    pace = AdaptiveLimiter(1, Clock(0.0))
    for _ in range(3):
        with pytest.raises(type(error)), pace.slot():
            raise error
    assert (1, 0, 0) == (pace.state.limit, pace.state.under_way, pace.state.overloads)


def test_retry_after() -> None:
    """During the pause that Redmine asked for nothing is sent, and what is left of it is told to the caller."""
    clock = Clock(0.0)
    pace = AdaptiveLimiter(8, clock)
    with pytest.raises(RedmineUnavailable), pace.slot():
        raise busy(retry_after=30)
    clock.now = 10
    with pytest.raises(RedmineUnavailable) as told, pace.slot():
        pytest.fail("a request was let through")
    assert (20, False) == (told.value.retry_after, told.value.overloaded)
    clock.now = 30
    with pace.slot():
        assert 1 == pace.state.under_way


def test_waits_for_a_slot() -> None:
    """With the limit reached a request waits until another ends, and then goes."""
    pace = AdaptiveLimiter(1, Clock(0.0))
    order: list[str] = []
    started = threading.Event()

    def second() -> None:
        started.set()
        with pace.slot():
            order.append("second")

    with pace.slot():
        thread = threading.Thread(target=second)
        thread.start()
        assert started.wait(5)
        order.append("first")
    thread.join(5)
    assert ["first", "second"] == order


def test_never_more_than_the_limit() -> None:
    """Many threads together never have more requests under way than the limit."""
    pace = AdaptiveLimiter(3, Clock(0.0))
    lock = threading.Lock()
    now, most = 0, 0

    def work() -> None:
        nonlocal now, most
        for _ in range(200):
            with pace.slot():
                with lock:
                    now += 1
                    most = max(most, now)
                with lock:
                    now -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert 1 <= most <= 3
    assert 0 == pace.state.under_way

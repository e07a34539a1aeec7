"""The limit of concurrent requests: as many as this Redmine can handle, determined while working.

Additive increase, multiplicative decrease, as in TCP: the limit grows while requests succeed, and is halved by
a sign of overload (429, 503, a 500 as caused by a locked database, a timeout). After the first such sign it
grows slowly, so that a limit once found is kept for a while and not exceeded again at once.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from redmine_mailbridge.errors import RedmineUnavailable, RedmineUnclear
from redmine_mailbridge.util.dataclass import dataclass

START = 2.0
CAREFUL_STEP = 0.05
"""Fraction of a round of successful responses that counts for growth after an overload: one more per 20 rounds."""


@dataclass(frozen=True, slots=True)
class LimiterState:
    """The state of `AdaptiveLimiter`, for a status page. `paused` is in seconds."""

    limit: int
    under_way: int
    overloads: int
    paused: float


class _Entered(NamedTuple):
    """The start of a request: its number, and how many halvings there had been."""

    number: int
    halvings: int


class AdaptiveLimiter:
    """The limiter that every request to one Redmine passes. Thread-safe.

    `most` is the upper bound of the limit; `clock` returns seconds and is monotonic.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(max(1, most))
        self._clock = clock
        self._limit = min(START, self._most)
        self._under_way = 0
        self._halvings = 0
        self._overloads = 0
        self._entries = 0
        self._full_at = 0
        self._resume_at = float("-inf")
        self._free = threading.Condition()

    @property
    def state(self) -> LimiterState:
        """The limit, the requests in progress, and the pause that Redmine requested."""
        with self._free:
            paused = max(0.0, self._resume_at - self._clock())
            return LimiterState(int(self._limit), self._under_way, self._overloads, paused)

    def forget_pause(self) -> None:
        """Send the next request even during a pause that Redmine requested."""
        with self._free:
            self._resume_at = float("-inf")

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Given a request as the body, wait until one more is allowed, and learn from its result.

        Raise `RedmineUnavailable` with the rest of the pause as `retry_after`, without a request, while a
        pause that Redmine requested is not over: the work is deferred, no thread waits.
        """
        entered = self._enter()
        try:
            yield
        except (RedmineUnavailable, RedmineUnclear) as error:
            self._leave(entered, overloaded=error.overloaded, retry_after=getattr(error, "retry_after", None))
            raise
        except BaseException:
            self._leave(entered, overloaded=False, retry_after=None)
            raise
        self._leave(entered, overloaded=False, retry_after=None, good=True)

    def _enter(self) -> _Entered:
        with self._free:
            while True:
                rest = self._resume_at - self._clock()
                if rest > 0:
                    raise RedmineUnavailable(f"Redmine requested a pause; {rest:.0f} s remain", retry_after=rest)
                if self._under_way < int(self._limit):
                    self._under_way += 1
                    self._entries += 1
                    if self._under_way >= int(self._limit):
                        self._full_at = self._entries
                    return _Entered(self._entries, self._halvings)
                self._free.wait()

    def _leave(self, entered: _Entered, *, overloaded: bool, retry_after: float | None, good: bool = False) -> None:
        with self._free:
            self._under_way -= 1
            if overloaded:
                self._shrink(entered.halvings)
            elif good and self._full_at >= entered.number:
                self._grow()
            if retry_after is not None:
                self._resume_at = max(self._resume_at, self._clock() + retry_after)
            self._free.notify_all()

    def _shrink(self, halvings: int) -> None:
        """Halve the limit, once for all requests that were in progress together."""
        self._overloads += 1
        if halvings == self._halvings:
            self._limit = max(1.0, self._limit / 2)
            self._halvings += 1

    def _grow(self) -> None:
        """One successful response of a request that ran at the limit: others say nothing about the limit."""
        step = CAREFUL_STEP if self._halvings else 1.0
        self._limit = min(self._most, self._limit + step / self._limit)

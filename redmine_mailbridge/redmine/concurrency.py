"""How many requests may be under way at once: as many as this Redmine bears, found out while working.

Additive increase, multiplicative decrease, as TCP does it: the limit grows while all goes well, and is halved by
a sign of overload (429, 503, a 500 such as a locked database gives, a time-out). After the first such sign it
grows slowly, so that a limit once found is kept for a while and not run into again at once.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from redmine_mailbridge.errors import RedmineUnavailable, RedmineUnclear

START = 2.0
CAREFUL_STEP = 0.05
"""What part of a round of good answers counts for growth once an overload was seen: one more per 20 rounds."""


@dataclass(frozen=True, slots=True)
class PaceState:
    """What `Pace` looks like at one moment, for a status page. `paused` is in seconds."""

    limit: int
    under_way: int
    overloads: int
    paused: float


class _Entered(NamedTuple):
    """When a request entered: its number, and how many halvings there had been."""

    number: int
    halvings: int


class Pace:
    """A gate that every request to one Redmine passes. Safe to share among threads.

    `most` is the upper bound of the limit; `clock` returns seconds and never goes back.
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
    def state(self) -> PaceState:
        """The limit, what is under way, and the pause that Redmine asked for."""
        with self._free:
            paused = max(0.0, self._resume_at - self._clock())
            return PaceState(int(self._limit), self._under_way, self._overloads, paused)

    def forget_pause(self) -> None:
        """Somebody wants to know now: ask although a pause that Redmine asked for is not over."""
        with self._free:
            self._resume_at = float("-inf")

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Given a request as the body, wait until one more may be under way, and learn from how it ends.

        Raise `RedmineUnavailable` with the rest of the pause as `retry_after`, without asking Redmine, while a
        pause that it asked for is not over: the work is deferred, no thread waits.
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
                    raise RedmineUnavailable(
                        f"Redmine asked for a pause; {rest:.0f} s of it are left", retry_after=rest
                    )
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
        """Halve the limit, once for all the requests that were under way together."""
        self._overloads += 1
        if halvings == self._halvings:
            self._limit = max(1.0, self._limit / 2)
            self._halvings += 1

    def _grow(self) -> None:
        """One good answer of a request that ran while the limit was reached: others say nothing about the limit."""
        step = CAREFUL_STEP if self._halvings else 1.0
        self._limit = min(self._most, self._limit + step / self._limit)

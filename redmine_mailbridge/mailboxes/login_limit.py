"""At most so many logins a minute to one account, whatever its server does to the connections."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from redmine_mailbridge.errors import TooManyLogins

MOST: Final = 6
"""Logins within `WITHIN`. A healthy server sees one an hour; providers lock accounts that try a few dozen a minute."""

WITHIN: Final = 60.0
"""Seconds."""


class LoginLimiter:
    """Counts the logins to one account, for all connections to it. Safe to share among threads.

    Pauses between passes bound what a server can bring about between two of them; this bounds everything else:
    connections that break inside a pass, several folders that are listened to, passes by hand.
    """

    def __init__(self, most: int = MOST, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._begun: deque[float] = deque()
        self._lock = threading.Lock()

    def allow(self, most: int) -> None:
        """From now on, allow so many."""
        with self._lock:
            self._most = most

    def take(self, where: str) -> None:
        """Given what is to be logged in to (for the text), note a login that begins now.

        Raise TooManyLogins, which says in how many seconds the next one is allowed, when it would be one too many.
        """
        with self._lock:
            now = self._clock()
            while self._begun and self._begun[0] + WITHIN <= now:
                self._begun.popleft()
            if len(self._begun) < self._most:
                self._begun.append(now)
                return
            seconds_left = int(self._begun[0] + WITHIN - now) + 1
        kept = f"{self._most} logins within a minute, and no connection that lasted"
        raise TooManyLogins(f"{where}: {kept}: the server is left alone; try again in {seconds_left} seconds")


class LoginLimits:
    """The limiters of all accounts. Keep this object when mailboxes are rebuilt, so that the counts are kept."""

    def __init__(self) -> None:
        self._limiters: dict[str, LoginLimiter] = {}

    def of(self, account: str, most: int) -> LoginLimiter:
        """Given an account and how many logins within `WITHIN` are allowed from now on, return its limiter."""
        limiter = self._limiters.setdefault(account, LoginLimiter(most))
        limiter.allow(most)
        return limiter

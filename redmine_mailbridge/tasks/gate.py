"""Closes when Redmine is away, so that a hundred waiting mails do not each find it out for themselves."""

import threading
import time
from collections.abc import Callable

from redmine_mailbridge.store.life import pause_after


class Gate:
    """Open while Redmine answers; closed for a pause that grows with each failure in a row.

    It also tells whether a mail that failed can be blamed for it: only when Redmine has taken other work since,
    or when this mail is the only one in trouble.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._closed_until = 0.0
        self._last_success = 0.0
        self._troubled: set[int] = set()
        self.words: str | None = None
        """What Redmine, or the way to it, said when it was last away; None when it is not."""
        self.asked = False
        """Has it taken or refused anything yet?"""

    @property
    def closed_for(self) -> float:
        """For how many seconds nothing should be asked; 0 when open."""
        return max(self._closed_until - self._clock(), 0.0)

    def away(self, retry_after: float | None = None, words: str = "") -> float:
        """Redmine did not answer: close. Return the pause in seconds."""
        with self._lock:
            self.words = words or "Redmine does not answer"
            if self.closed_for == 0.0:
                self._failures += 1
            pause = max(retry_after or 0.0, min(pause_after(max(self._failures, 1)) / 3.0, 300.0))
            self._closed_until = max(self._closed_until, self._clock() + pause)
            return self.closed_for

    def went_well(self, mail_id: int | None = None) -> None:
        """Redmine took a write: open."""
        with self._lock:
            self.words, self.asked = None, True
            self._failures = 0
            self._closed_until = 0.0
            self._last_success = self._clock()
            self._troubled.discard(mail_id or 0)

    def heard(self, words: str | None) -> None:
        """Any request has been answered (None), or failed with these words: note it, unless a write has its own say."""
        with self._lock:
            if self._failures == 0:
                self.words, self.asked = words, True

    def is_to_blame(self, mail_id: int, since: float | None) -> bool:
        """Given a mail that Redmine failed on, is it the mail's own fault?"""
        with self._lock:
            self._troubled.add(mail_id)
            return self._troubled == {mail_id} or (since is not None and self._last_success > since)

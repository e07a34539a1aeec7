"""When a request whose result is unknown has settled, so that looking for what it made tells the truth."""

import time
from collections.abc import Callable

from redmine_mailbridge.store.due import APART
from redmine_mailbridge.store.rows import MailRow


class Settling:
    """Knows when this process has sent a mail's request last. Safe to share among threads.

    `settle` in seconds. `wall` is the store's clock, which may be set at any time; `clock` cannot be.
    """

    def __init__(self, settle: float, wall: Callable[[], float], clock: Callable[[], float] = time.monotonic) -> None:
        self._settle = settle
        self._wall = wall
        self._clock = clock
        self._sent: dict[int, float] = {}

    def sent(self, mail_id: int) -> None:
        """A mail's request is sent now."""
        self._sent[mail_id] = self._clock()

    def over(self, mail_id: int) -> None:
        """What became of it is known."""
        self._sent.pop(mail_id, None)

    def rest(self, row: MailRow) -> float:
        """Given a mail in WRITING, for how many seconds its last request may still be under way; 0 or less: it has
        settled.

        What another process sent is told by the clock on the wall; where that was set back since, from the moment at
        which the mail was last looked at.
        """
        sent = self._sent.get(row.id)
        if sent is not None:
            return sent + self._settle - self._clock()
        now, sent_at = self._wall(), row.last_sent_at or 0.0
        since = sent_at if sent_at <= now + APART else row.changed_at
        return min(since + self._settle - now, self._settle)

"""Closes when Redmine is away, so that a hundred waiting mails do not each find it out for themselves.

What one mail's request meets says little of Redmine: an account that was locked, one issue that cannot be shown, a
firewall that does not like a text. So before the gate closes, Redmine is asked for what has to do with no mail.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable

from redmine_mailbridge.errors import MailbridgeError, RedmineUnavailable
from redmine_mailbridge.model.mail_state import pause_after

LONGEST_PAUSE = 300.0
"""Seconds after which Redmine is asked again, unless it named a longer pause."""


class Gate:
    """Open while Redmine answers; closed for a pause that grows with each failure in a row.

    `clock` gives seconds and cannot be set. `ask` asks Redmine something that has to do with no mail, and raises
    RedmineUnavailable when it does not answer; `forget_pause` lets it be asked although it asked for a pause.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        ask: Callable[[], object] | None = None,
        forget_pause: Callable[[], object] = lambda: None,
    ) -> None:
        self._clock = clock
        self._ask = ask
        self._forget_pause = forget_pause
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._answered_at = float("-inf")
        self._failures = 0
        self._closed_until = float("-inf")
        self._troubled: Counter[int] = Counter()
        self.words: str | None = None
        """What Redmine, or the way to it, said when it was last away; None when it is not."""
        self.why = ""
        """Why it is closed, in one line for an admin."""
        self.asked = False
        """Has it taken or refused anything yet?"""

    @property
    def closed_for(self) -> float:
        """For how many seconds nothing should be asked; 0 when open."""
        return max(self._closed_until - self._clock(), 0.0)

    def away(self, retry_after: float | None = None, words: str = "", why: str = "") -> float:
        """Redmine did not answer, or does not let us in (`why`): close. Return the pause in seconds."""
        with self._lock:
            self.words = words or "Redmine does not answer"
            self.why = why or f"Redmine is away: {self.words}"
            if self.closed_for == 0.0:
                self._failures += 1
            pause = max(retry_after or 0.0, min(pause_after(max(self._failures, 1)) / 3.0, LONGEST_PAUSE))
            self._closed_until = max(self._closed_until, self._clock() + pause)
            return self.closed_for

    def failed(self, mail_id: int, error: RedmineUnavailable) -> float:
        """Redmine did not do what a mail needs: close, unless it answers otherwise. Return the pause in seconds; 0
        when it answers, so that only this mail waits.
        """
        began = self._clock()
        with self._asking:  # whoever failed at the same moment takes the answer of the one who asked
            if self.closed_for > 0.0 or self._ask is None:
                return self.away(error.retry_after, str(error), error.why_all_waits)
            pause = 0.0 if self._answered_at >= began else self._asked(error)
        if pause == 0.0:
            self.in_trouble(mail_id)
        return pause

    def ask_anew(self) -> None:
        """Somebody wants to know now: while it is closed, ask Redmine, and open when it answers."""
        self._forget_pause()
        with self._asking:
            if self.closed_for > 0.0 and self._ask is not None:
                self._asked(None)

    def _asked(self, error: RedmineUnavailable | None) -> float:
        """Ask Redmine what has to do with no mail: open when it answers, close when not. Return the pause."""
        asked_at = self._clock()
        try:
            if self._ask is not None:
                self._ask()
        except MailbridgeError as said:
            first = error or said
            if isinstance(first, RedmineUnavailable):
                return self.away(first.retry_after, str(first), first.why_all_waits)
            return self.away(words=str(first))
        with self._lock:
            self._answered_at = asked_at
            self._open()
        return 0.0

    def went_well(self, mail_id: int | None = None) -> None:
        """Redmine took a write: open."""
        with self._lock:
            self._open()
            self._troubled.pop(mail_id or 0, None)

    def _open(self) -> None:
        self.words, self.asked = None, True
        self._failures = 0
        self._closed_until = float("-inf")

    def heard(self, words: str | None) -> None:
        """Any request has been answered (None), or failed with these words: note it, unless a write has its own say."""
        with self._lock:
            if self._failures == 0:
                self.words, self.asked = words, True

    # ------------------------------------------------------------------ whose fault it is

    def in_trouble(self, mail_id: int) -> None:
        """Redmine failed on a mail."""
        with self._lock:
            self._troubled[mail_id] += 1

    def settled(self, mail_id: int) -> None:
        """A mail has come to its end, whichever."""
        with self._lock:
            self._troubled.pop(mail_id, None)

    def pause_for(self, mail_id: int) -> float:
        """Given a mail that Redmine failed on, return after how many seconds it is tried again: longer each time."""
        return min(pause_after(max(self._troubled[mail_id], 1)), LONGEST_PAUSE)

    def is_alone(self, mail_id: int) -> bool:
        """Is this the only mail that Redmine fails on, again? The first time others have not had their turn yet."""
        with self._lock:
            return self._troubled.keys() == {mail_id} and self._troubled[mail_id] > 1

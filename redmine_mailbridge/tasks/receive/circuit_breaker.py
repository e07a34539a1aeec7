"""Stops requests while Redmine is unavailable, so that a hundred waiting mails do not each run into the same error.

An error of one mail's request says little about Redmine: its cause may be a locked account, an issue that cannot be
rendered, or a firewall that rejects a text. So before all requests stop, a test request unrelated to any mail is made.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable

from redmine_mailbridge.errors import MailbridgeError, RedmineUnavailable
from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.store.health import REDMINE, Health

LONGEST_PAUSE = 300.0
"""Seconds before the next test request, unless Redmine requested a longer pause."""


class CircuitBreaker:
    """Lets requests pass while Redmine answers; stops them for a pause that grows with consecutive failures.

    `clock` is monotonic, in seconds. `ask` makes a test request unrelated to any mail, and raises RedmineUnavailable on
    failure; `forget_pause` allows it although Redmine has requested a pause. `denied` returns whether the last response
    was that the key is not accepted.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        *,
        ask: Callable[[], object] | None = None,
        forget_pause: Callable[[], object] = lambda: None,
        denied: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._ask = ask
        self._forget_pause = forget_pause
        self._denied = denied
        self._lock = threading.Lock()
        self._asking = threading.Lock()
        self._answered_at = float("-inf")
        self._failures = 0
        self._closed_until = float("-inf")
        self._troubled: Counter[int] = Counter()
        self.words: str | None = None
        """The last error of Redmine or of the connection to it; None while Redmine is available."""
        self.why = ""
        """Why requests are stopped, in one line for an admin."""
        self.asked = False
        """Whether Redmine has accepted or rejected anything yet."""

    @property
    def denied(self) -> bool:
        """Whether Redmine responds, but does not accept the key."""
        return self.words is not None and self._denied()

    def note_in(self, health: Health) -> None:
        """Record whether Redmine is available, as far as it was asked for anything."""
        if self.words is not None or self.asked:
            doing = "answers" if self.words is None else "takes nothing"
            health.note(REDMINE, self.words, doing, refused=self.denied)

    @property
    def closed_for(self) -> float:
        """The remaining seconds without requests; 0 when they may pass."""
        return max(self._closed_until - self._clock(), 0.0)

    def record_failure(self, retry_after: float | None = None, words: str = "", why: str = "") -> float:
        """Redmine did not answer, or refused access (`why`): stop requests. Return the pause in seconds."""
        with self._lock:
            self.words = words or "Redmine does not answer"
            self.why = why or f"Redmine is unavailable: {self.words}"
            if self.closed_for == 0.0:
                self._failures += 1
            pause = max(retry_after or 0.0, min(pause_after(max(self._failures, 1)) / 3.0, LONGEST_PAUSE))
            self._closed_until = max(self._closed_until, self._clock() + pause)
            return self.closed_for

    def deny(self, error: RedmineUnavailable) -> None:
        """Redmine rejects the API key: close."""
        self.record_failure(error.retry_after, str(error), error.why_all_waits)

    def failed(self, mail_id: int, error: RedmineUnavailable) -> float:
        """A mail's request failed: stop all requests, unless the test request succeeds. Return the pause in seconds; 0
        if the test succeeds and only this mail waits.
        """
        began = self._clock()
        with self._asking:  # concurrent failures share the result of one test request
            if self.closed_for > 0.0 or self._ask is None:
                return self.record_failure(error.retry_after, str(error), error.why_all_waits)
            pause = 0.0 if self._answered_at >= began else self._asked(error)
        if pause == 0.0:
            self.in_trouble(mail_id)
        return pause

    def ask_anew(self) -> None:
        """Make a test request now, because a user requested it; on success, let requests pass again."""
        self._forget_pause()
        with self._asking:
            if self.closed_for > 0.0 and self._ask is not None:
                self._asked(None)

    def ask_when_due(self) -> None:
        """Make a test request if requests were stopped and the pause is over: no mail may be waiting that would find
        out that Redmine is available again.
        """
        with self._asking:
            if self._failures > 0 and self.closed_for == 0.0:
                self._asked(None)

    def _asked(self, error: RedmineUnavailable | None) -> float:
        """Make the test request and let requests pass or stop them accordingly. Return the pause."""
        asked_at = self._clock()
        try:
            if self._ask is not None:
                self._ask()
        except MailbridgeError as probe_error:
            first = error or probe_error
            if isinstance(first, RedmineUnavailable):
                return self.record_failure(first.retry_after, str(first), first.why_all_waits)
            return self.record_failure(words=str(first))
        with self._lock:
            self._answered_at = asked_at
            self._open()
        return 0.0

    def record_success(self, mail_id: int | None = None) -> None:
        """Redmine has accepted a write: let requests pass."""
        with self._lock:
            self._open()
            self._troubled.pop(mail_id or 0, None)

    def _open(self) -> None:
        self.words, self.asked = None, True
        self._failures = 0
        self._closed_until = float("-inf")

    def note_response(self, words: str | None) -> None:
        """Record that a request succeeded (None) or its error, unless a write has determined the state."""
        with self._lock:
            if self._failures == 0:
                self.words, self.asked = words, True

    # ------------------------------------------------------------------ mails that Redmine fails on

    def in_trouble(self, mail_id: int) -> None:
        """Record that Redmine failed on a mail."""
        with self._lock:
            self._troubled[mail_id] += 1

    def settled(self, mail_id: int) -> None:
        """Record that a mail has been closed."""
        with self._lock:
            self._troubled.pop(mail_id, None)

    def pause_for(self, mail_id: int) -> float:
        """Given a mail that Redmine failed on, return the seconds until its retry: longer each time."""
        return min(pause_after(max(self._troubled[mail_id], 1)), LONGEST_PAUSE)

    def is_alone(self, mail_id: int) -> bool:
        """Whether this is the only mail that Redmine fails on, repeatedly. The first time, others may not have been
        tried yet.
        """
        with self._lock:
            return self._troubled.keys() == {mail_id} and self._troubled[mail_id] > 1

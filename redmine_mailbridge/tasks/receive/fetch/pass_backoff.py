"""Calculates the pauses of a mailbox's thread, so that no server can make it loop. Pure, except for its clock.

Pauses grow with consecutive failures of passes or of IDLE, and with consecutive wake-ups that brought no mail. They are
reset only by evidence of a working server: a pass that found something, or a minute without errors. A pass that merely
succeeded proves nothing, since one may succeed between any two failures.
"""

import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from redmine_mailbridge.errors import LoginRefused, MailbridgeError, SignInNeeded
from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.util.backoff import hint, jittered
from redmine_mailbridge.util.dataclass import dataclass

MOST_FOR_NOTHING: Final = 30
"""The limit of commands per folder and minute for passes that found nothing; the next pass waits until they are fewer.
Including the last of these passes and IDLE, a minute without mail costs less than 60 commands per folder.
"""

CALM: Final = 60.0
"""Seconds without an error after which the next error starts a new streak."""

FOR_NOTHING: Final = (1.0, 5.0, 15.0, 60.0)
"""Pauses in seconds after one, two, and more consecutive wake-ups without mail. The last one is the maximum, so that no
mail is delayed longer.
"""

LATER: Final = 2
"""How many steps of `pause_after` are skipped after a refused login: those pauses begin with a minute."""


class PassTrigger(Enum):
    """The reason for a pass."""

    ASKED = auto()
    """It was requested by a user or the schedule, which limits its frequency."""
    HINT = auto()
    """The server sent a notification."""
    DUE = auto()
    """A deferred mail was due."""
    AGAIN = auto()
    """The pause after a failure is over, or the thread starts."""


@dataclass(slots=True)
class FailureStreak:
    """Counts consecutive failures, and until when (monotonic) the thread waits because of them."""

    times: int = 0
    until: float = 0.0

    def again(self, now: float) -> None:
        """Given the time, count another failure, or the first if there was none since the last pause."""
        self.times = self.times + 1 if now - self.until < CALM else 1
        self.until = now + FOR_NOTHING[min(self.times, len(FOR_NOTHING)) - 1]

    def not_for_nothing(self, now: float) -> None:
        """Given the time of a success, end the pause and reduce the count."""
        self.times, self.until = max(self.times - 1, 0), now


class PassBackoff:
    """The pauses of one thread. Changed by that thread alone; any may read."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._well_since: float | None = None
        self._failed_until = 0.0
        self._left_alone_until = 0.0
        self._hints = FailureStreak()
        self._dues = FailureStreak()
        self._spent: deque[tuple[float, int]] = deque()
        """Times and numbers of commands of the last minute that found nothing."""

    @property
    def failing(self) -> bool:
        """Whether the last attempt failed, so that a pass comes before IDLE."""
        return self._failures > 0 and self._well_since is None

    @property
    def pause(self) -> float:
        """Seconds until the next automatic pass or IDLE may begin; 0 when at once."""
        return self._left(max(self._failed_until if self.failing else 0.0, self._hints.until, self._paid_at))

    @property
    def _paid_at(self) -> float:
        """The time when fewer than `MOST_FOR_NOTHING` commands will fall into the minute before."""
        remaining = sum(commands for _, commands in self._spent)
        for at, commands in self._spent:
            if remaining < MOST_FOR_NOTHING:
                return 0.0
            remaining, until = remaining - commands, at + CALM
            if remaining < MOST_FOR_NOTHING:
                return until
        return 0.0

    def _spend(self, now: float, commands: int) -> None:
        self._spent.append((now, commands))
        while self._spent[0][0] + CALM <= now:
            self._spent.popleft()

    @property
    def left_alone(self) -> float:
        """Seconds for which the server is throttling all requests."""
        return self._left(self._left_alone_until)

    @property
    def due_pause(self) -> float:
        """Seconds for which deferred mail does not cause a pass."""
        return self._left(max(self._dues.until, self._paid_at))

    def failed(self, words: str, *, did_work: bool = False, login_refused: bool = False, commands: int = 0) -> None:
        """Given the error of a failed pass or IDLE, pause for at least as long as the server requested.

        `did_work`: the pass had found something to do before; `commands` is the number of commands per folder. After a
        refused login the first pause is longer: servers lock accounts after several attempts, and a password is not
        corrected within 15 seconds.
        """
        now, requested_pause = self._clock(), hint(words) or 0.0
        self._spend(now, 0 if did_work else commands)
        calm = self._well_since is not None and now - self._well_since >= CALM
        self._failures = 1 if calm or did_work else self._failures + 1
        self._well_since = None
        self._left_alone_until = now + requested_pause
        pause = pause_after(self._failures + (LATER if login_refused else 0))
        self._failed_until = now + max(jittered(pause), requested_pause)

    def passed(self, cause: PassTrigger, *, did_work: bool, commands: int = 0) -> None:
        """Record a successful pass: its reason, whether it found anything to do, and the number of commands per folder.
        A scheduled pass was not caused by the server and does not delay IDLE.
        """
        now = self._clock()
        self._spend(now, 0 if did_work or cause is PassTrigger.ASKED else commands)
        self._well_since = now if self._well_since is None else self._well_since
        if did_work:
            self._failures = 0
            self._hints.not_for_nothing(now)
            self._dues.not_for_nothing(now)
        elif cause is PassTrigger.HINT:
            self._hints.again(now)
        elif cause is PassTrigger.DUE:
            self._dues.again(now)

    def _left(self, until: float) -> float:
        return max(until - self._clock(), 0.0)


def refused(error: MailbridgeError) -> bool:
    """Given an error, return whether the server refused a login. A missing OAuth sign-in does not count."""
    return isinstance(error, LoginRefused) and not isinstance(error, SignInNeeded)

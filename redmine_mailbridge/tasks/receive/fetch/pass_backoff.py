"""How long a mailbox's thread pauses, so that no behaviour of a server can make it spin. Pure, but for its clock.

Pauses grow with each failure in a row, of a pass or of listening, and with each time in a row that the thread was
woken for nothing. They are short again only after something that shows a server at work: a pass that found something,
or a minute without trouble. A pass that merely went through shows nothing: one may go through between any two failures.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from redmine_mailbridge.errors import LoginRefused, MailbridgeError, SignInNeeded
from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.util.backoff import hint, jittered

MOST_FOR_NOTHING: Final = 30
"""Commands a folder, within a minute, of passes that found nothing, after which the next one waits until they are
fewer: with the last of these passes, and what listening takes, a minute for nothing costs less than 60 a folder.
"""

CALM: Final = 60.0
"""Seconds without trouble after which the next trouble is a new one, and no longer one in a row."""

FOR_NOTHING: Final = (1.0, 5.0, 15.0, 60.0)
"""Pauses in seconds of a thread that was woken for nothing once, twice, and so on in a row. The last one holds on, so
that no mail is found later than that.
"""

LATER: Final = 2
"""Steps of `pause_after` by which the pauses after a refused login are longer: they begin with a minute."""


class Cause(Enum):
    """What a pass was made for."""

    ASKED = auto()
    """Somebody, or the schedule, wanted it: has a rhythm of its own."""
    HINT = auto()
    """The server spoke up."""
    DUE = auto()
    """A deferred mail's time had come."""
    AGAIN = auto()
    """The pause after a failure was over, or the thread begins."""


@dataclass(slots=True)
class Series:
    """How often in a row something was for nothing, and until when that makes the thread wait (monotonic)."""

    times: int = 0
    until: float = 0.0

    def again(self, now: float) -> None:
        """Given the time, count once more, or anew when all was calm since the last pause."""
        self.times = self.times + 1 if now - self.until < CALM else 1
        self.until = now + FOR_NOTHING[min(self.times, len(FOR_NOTHING)) - 1]

    def not_for_nothing(self, now: float) -> None:
        """Given the time, this once it was not: wait no longer, and believe a little more the next time."""
        self.times, self.until = max(self.times - 1, 0), now


class PassBackoff:
    """The pauses of one thread. Changed by that thread alone; any may read."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._well_since: float | None = None
        self._failed_until = 0.0
        self._left_alone_until = 0.0
        self._hints = Series()
        self._dues = Series()
        self._spent: deque[tuple[float, int]] = deque()
        """When so many commands were sent for nothing, within the last minute."""

    @property
    def failing(self) -> bool:
        """Did the last thing that was tried fail, so that a pass comes before listening?"""
        return self._failures > 0 and self._well_since is None

    @property
    def pause(self) -> float:
        """For how many seconds neither a pass of its own accord nor listening begins; 0 when at once."""
        return self._left(max(self._failed_until if self.failing else 0.0, self._hints.until, self._paid_at))

    @property
    def _paid_at(self) -> float:
        """When less than `MOST_FOR_NOTHING` commands will lie within the minute before."""
        left = sum(commands for _, commands in self._spent)
        for at, commands in self._spent:
            if left < MOST_FOR_NOTHING:
                return 0.0
            left, until = left - commands, at + CALM
            if left < MOST_FOR_NOTHING:
                return until
        return 0.0

    def _spend(self, now: float, commands: int) -> None:
        self._spent.append((now, commands))
        while self._spent[0][0] + CALM <= now:
            self._spent.popleft()

    @property
    def left_alone(self) -> float:
        """For how many seconds the server asked to be left alone by everybody."""
        return self._left(self._left_alone_until)

    @property
    def due_pause(self) -> float:
        """For how many seconds no deferred mail is a reason for a pass."""
        return self._left(max(self._dues.until, self._paid_at))

    def failed(self, words: str, *, found: bool = False, login_refused: bool = False, commands: int = 0) -> None:
        """Given what was said when a pass or listening failed, pause, and not less than the server asks for.

        `found`: it had found something before; `commands` is how many it sent for each folder. A login that was
        refused begins with a longer pause: servers lock accounts after a few of those, and nobody mends a password in
        15 seconds.
        """
        now, asked = self._clock(), hint(words) or 0.0
        self._spend(now, 0 if found else commands)
        calm = self._well_since is not None and now - self._well_since >= CALM
        self._failures = 1 if calm or found else self._failures + 1
        self._well_since = None
        self._left_alone_until = now + asked
        pause = pause_after(self._failures + (LATER if login_refused else 0))
        self._failed_until = now + max(jittered(pause), asked)

    def passed(self, cause: Cause, *, found: bool, commands: int = 0) -> None:
        """A pass over the mailbox went through: why it was made, whether it found anything to do, and how many commands
        it sent for each folder. One that the schedule wanted is no server's doing, and holds up no listening.
        """
        now = self._clock()
        self._spend(now, 0 if found or cause is Cause.ASKED else commands)
        self._well_since = now if self._well_since is None else self._well_since
        if found:
            self._failures = 0
            self._hints.not_for_nothing(now)
            self._dues.not_for_nothing(now)
        elif cause is Cause.HINT:
            self._hints.again(now)
        elif cause is Cause.DUE:
            self._dues.again(now)

    def _left(self, until: float) -> float:
        return max(until - self._clock(), 0.0)


def refused(error: MailbridgeError) -> bool:
    """Given an error, say whether it is the server's no to a login; that nobody has signed in yet is none."""
    return isinstance(error, LoginRefused) and not isinstance(error, SignInNeeded)

"""A clock that a test sets, for all that is given its time."""


class Clock:
    """Says the time that was set last, in seconds."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

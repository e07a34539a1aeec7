"""What looking for a lost write must know: which issues and notes others made, and since when to look."""

import datetime as dt
from collections.abc import Callable


class Claimed:
    """The issues or notes that other mails have made, asked one by one."""

    def __init__(self, is_claimed: Callable[[int], bool]) -> None:
        self._is_claimed = is_claimed

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self._is_claimed(number)


def moment(seconds: float) -> dt.datetime:
    """Given the moment of an intent (epoch seconds), return it as a time in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)

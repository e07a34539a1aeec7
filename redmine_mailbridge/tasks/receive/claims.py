"""What looking for a lost write must know: which issues and notes others made."""

from collections.abc import Callable


class Claimed:
    """The issues or notes that other mails have made, asked one by one."""

    def __init__(self, is_claimed: Callable[[int], bool]) -> None:
        self._is_claimed = is_claimed

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self._is_claimed(number)

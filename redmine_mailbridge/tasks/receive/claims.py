"""The issues and notes written by other mails, which the search for a lost write must exclude."""

from collections.abc import Callable


class ClaimedIds:
    """The issues or notes written by other mails, checked one by one."""

    def __init__(self, is_claimed: Callable[[int], bool]) -> None:
        self._is_claimed = is_claimed

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self._is_claimed(number)

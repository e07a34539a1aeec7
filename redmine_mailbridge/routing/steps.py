"""The lines that lead to a plan: one a decision, in order, for `explain` and the mail's row."""

import difflib
from collections.abc import Iterable


class Steps:
    """Collects English lines while a mail is decided about."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Note one line."""
        self._lines.append(" ".join(line.split()))

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines so far."""
        return tuple(self._lines)


def did_you_mean(wanted: str, known: Iterable[str]) -> str:
    """Given a name that does not exist and those that do, return "; did you mean …?", or "" without a likely one."""
    close = difflib.get_close_matches(wanted.lower()[:200], list(known), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""

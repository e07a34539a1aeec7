"""The lines that lead to a plan: one a decision, in order, for `explain` and the mail's row."""


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

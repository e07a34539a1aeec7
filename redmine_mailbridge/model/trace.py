"""The lines that lead to a plan: one a decision, in order, for `explain` and the mail's row."""


class Steps:
    """Collects English lines while a mail is decided about."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._unfit: list[str] = []

    def add(self, line: str) -> None:
        """Note one line."""
        self._lines.append(" ".join(line.split()))

    def add_unfit(self, line: str) -> None:
        """Note one line that says what of the settings Redmine does not have, or does not take, as it is now."""
        self.add(line)
        self._unfit.append(self._lines[-1])

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines so far."""
        return tuple(self._lines)

    @property
    def unfit(self) -> tuple[str, ...]:
        """The lines of what the settings name and Redmine does not have, each once."""
        return tuple(dict.fromkeys(self._unfit))

"""The lines that lead to a plan: one per decision, in order, for `explain` and the message's row."""


class Trace:
    """Collects English lines during the decision about a message."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._unfit: list[str] = []

    def add(self, line: str) -> None:
        """Add one line."""
        self._lines.append(" ".join(line.split()))

    def add_unfit(self, line: str) -> None:
        """Add one line about a name in the settings that Redmine does not have, or rejects."""
        self.add(line)
        self._unfit.append(self._lines[-1])

    @property
    def lines(self) -> tuple[str, ...]:
        """All lines so far."""
        return tuple(self._lines)

    @property
    def unfit(self) -> tuple[str, ...]:
        """The lines about names in the settings that Redmine does not have, each once."""
        return tuple(dict.fromkeys(self._unfit))

"""What one run of a task, or of a step of it, came to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StationResult:
    """What one station (or a whole task) did: counts, and the line of what ended it early."""

    done: int = 0
    failed: int = 0
    error: str | None = None

    def and_also(self, other: "StationResult", name: str) -> "StationResult":
        """This with what another station did; the first error counts, with the station's name."""
        error = self.error or (f"{name}: {other.error}" if other.error else None)
        return StationResult(self.done + other.done, self.failed + other.failed, error)

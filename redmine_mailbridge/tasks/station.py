"""What every station of `update` is, and what it says of one run."""

import threading
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StationResult:
    """How many things a station did in one run, how many failed; `error` is the line that ended it early."""

    done: int = 0
    failed: int = 0
    error: str | None = None


class Station(Protocol):
    """One part of `update`."""

    name: str

    def once(self, stop: threading.Event) -> StationResult:
        """Do what there is to do now; end early when the sign is set. Errors of ours are in the result."""

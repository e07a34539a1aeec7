"""Many values in few statements: databases accept at most some ten thousand parameters in one."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

V = TypeVar("V")


def chunks(values: Sequence[V], size: int = 500) -> Iterator[Sequence[V]]:
    """Given values, yield them in order in chunks of the given size."""
    for start in range(0, len(values), size):
        yield values[start : start + size]

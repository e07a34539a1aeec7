"""Many values in few statements: databases bear no more than some ten thousand in one."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

V = TypeVar("V")


def chunks(values: Sequence[V], size: int = 500) -> Iterator[Sequence[V]]:
    """Given values, yield them in their order, so many at a time."""
    for start in range(0, len(values), size):
        yield values[start : start + size]

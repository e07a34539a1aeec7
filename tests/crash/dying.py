"""Dying at a boundary without a process of one's own: an exception that nothing in the bridge catches."""

import contextlib
from collections.abc import Iterator

from redmine_mailbridge import side_effects
from redmine_mailbridge.side_effects import Moment, SideEffect, watch


class Died(BaseException):
    """Where a process would have died: nothing in the bridge catches it."""


@contextlib.contextmanager
def dying(effect: SideEffect, moment: Moment, number: int) -> Iterator[None]:
    """Within this, whoever stands the so-manieth time at a boundary dies there."""
    left = [number]

    def stand(which: SideEffect, where: Moment) -> None:
        left[0] -= (which, where) == (effect, moment)
        if left[0] == 0:
            left[0] = -1
            raise Died

    watch(stand)
    try:
        yield
    finally:
        side_effects._watchers.remove(stand)

"""When something is due, also behind clocks that differ or were set back."""

import pytest
import sqlalchemy as sa

from redmine_mailbridge.store.due import APART, pause_is_over, within
from redmine_mailbridge.store.messages import Store

NOW, LONGEST = 10_000.0, 100.0


def _holds(store: Store, condition: sa.ColumnElement[bool]) -> bool:
    with store.database.read() as db:
        return bool(db.execute(sa.select(condition)).scalar_one())


@pytest.mark.parametrize(
    ("ends_at", "over"),
    [
        (NOW - 1, True),
        (NOW, True),
        (NOW + 1, False),
        (NOW + LONGEST + APART, False),
        (NOW + LONGEST + APART + 1, True),
    ],
)
def test_a_pause_is_over_when_it_has_ended_or_ends_later_than_any(store: Store, ends_at: float, *, over: bool) -> None:
    assert over is _holds(store, pause_is_over(sa.literal(ends_at), NOW, LONGEST))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "lately"),
    [(NOW - 61, False), (NOW - 60, True), (NOW, True), (NOW + APART, True), (NOW + APART + 1, False)],
)
def test_what_was_within_the_last_seconds(store: Store, at: float, *, lately: bool) -> None:
    assert lately is _holds(store, within(sa.literal(at), NOW, 60.0))  # type: ignore[arg-type]

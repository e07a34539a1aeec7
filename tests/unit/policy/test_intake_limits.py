"""Which of the mails that lie there are taken."""

import datetime as dt

import pytest

from redmine_mailbridge.policy.intake_limits import came_later, taken_since
from redmine_mailbridge.settings.first_sync import StartSettings

NOON = dt.datetime(2026, 5, 20, 12, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def test_mails_are_taken_from_the_noted_moment_on_and_those_of_an_unknown_time() -> None:
    received = {
        "before": NOON - dt.timedelta(seconds=1),
        "then": NOON,
        "later": NOON + dt.timedelta(1),
        "unknown": None,
    }
    assert ("then", "later", "unknown") == taken_since(tuple(received), received.__getitem__, NOON.timestamp())


@pytest.mark.parametrize(
    ("start", "received_at", "later"),
    [
        (NOON, NOON - dt.timedelta(seconds=1), False),
        (NOON, NOON, True),
        (NOON, NOON + DAY, True),
        (NOON, None, False),
        ("now", NOON, False),
        ("all", NOON, False),
    ],
)
def test_a_mail_came_later_only_than_a_moment_that_the_settings_name(
    start: dt.datetime | str, received_at: dt.datetime | None, *, later: bool
) -> None:
    assert later is came_later(received_at, StartSettings.model_validate({"start_from": start}))

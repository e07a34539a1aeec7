"""Dates in header fields of HTTP."""

import datetime as dt

import pytest

from redmine_mailbridge.util.http_date import http_date

TEN = dt.datetime(2026, 11, 28, 10, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Sat, 28 Nov 2026 10:00:00 GMT", TEN),
        ("Sat, 28 Nov 2026 11:00:00 +0100", TEN),
        ("Sat, 28 Nov 2026 10:00:00 -0000", TEN),
        ("120", None),
        ("soon", None),
        ("", None),
        ("Mon, 01 Jan 2027 00:00:00 +99999999999999999999", None),
        ("Mon, 01 Jan 2027 99999999999999999999:00:00 GMT", None),
    ],
)
def test_a_date(value: str, expected: dt.datetime | None) -> None:
    """A date is a time with a zone, UTC where it names none; anything else is no date."""
    found = http_date(value)
    assert expected == found
    assert found is None or found.tzinfo is not None

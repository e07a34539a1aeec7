"""Spans, sizes, addresses: what is understood and what is refused."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redmine_mailbridge.settings.value_types import format_size, format_span, parse_size, parse_span


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("14d", 1_209_600),
        ("1d 12h", 129_600),
        ("1d12h", 129_600),
        ("2w", 1_209_600),
        ("0s", 0),
    ],
)
def test_spans(written: str, seconds: int) -> None:
    """A span is numbers with their units, added up."""
    assert dt.timedelta(seconds=seconds) == parse_span(written)


@pytest.mark.parametrize("written", ["", "5y", "m5", "5m 5m", "-5m", "5.5m", "5 minutes", "1d, 2h", 5, None, "9" * 99])
def test_no_spans(written: object) -> None:
    """A number without a unit, an unknown unit, and a unit that comes twice are no spans."""
    with pytest.raises(ValueError, match="must be a time span"):
        parse_span(written)


@pytest.mark.parametrize(
    ("written", "size"),
    [("50MB", 50_000_000), ("512KiB", 524_288), ("1 gb", 10**9), ("17", 17), ("18B", 18), (19, 19), (0, 0)],
)
def test_sizes(written: object, size: int) -> None:
    """A size is a number with a unit in any case, or a number of bytes."""
    assert size == parse_size(written)


@pytest.mark.parametrize("written", ["", "MB", "5XB", "-5MB", -5, "1.5MB", True, None, "5 5"])
def test_no_sizes(written: object) -> None:
    """What has no number, an unknown unit or a sign is no size."""
    with pytest.raises(ValueError, match="must be a size"):
        parse_size(written)


@given(st.integers(0, 10**9))
def test_written_spans_read_the_same(seconds: int) -> None:
    """What is written for a span is read as the same span."""
    span = dt.timedelta(seconds=seconds)

    assert span == parse_span(format_span(span))


@given(st.integers(0, 10**11))
def test_written_sizes_read_the_same(size: int) -> None:
    """What is written for a size is read as the same size."""
    assert size == parse_size(format_size(size))

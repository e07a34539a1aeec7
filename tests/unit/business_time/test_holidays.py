"""Files of holidays: what is refused, so that none makes the service slow or wrong."""

from zoneinfo import ZoneInfo

import pytest

from redmine_mailbridge.business_time.holidays import MAX_BYTES, HolidayError, read
from tests.unit.business_time.test_business_hours import file

UTC = ZoneInfo("UTC")

REFUSED = [
    (b"", "is not an iCalendar file"),
    (b"hello", "is not an iCalendar file"),
    (b"\x00\xff" * 50, "is not an iCalendar file"),
    (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nEND:VCALENDAR\r\n", "contains no events"),
    (b"x" * (MAX_BYTES + 1), "is larger than"),
    (file("COMMENT:no day"), "does not start between"),
    (file("DTSTART:some day"), "cannot be read: DTSTART"),
    (file("DTSTART;VALUE=DATE:18000101\r\nRRULE:FREQ=YEARLY"), "does not start between"),
    (file("DTSTART;VALUE=DATE:20200101\r\nRRULE:FREQ=NOW AND THEN"), "cannot be read: RRULE"),
    (file("DTSTART;VALUE=DATE:20200101\r\nRRULE:FREQ=DAILY;INTERVAL=0"), "recurs more often"),
    (file("DTSTART:20200101T000000\r\nRRULE:FREQ=SECONDLY"), "recurs more often"),
    (file("DTSTART:20200101T000000\r\nRRULE:FREQ=DAILY;BYMINUTE=1,2,3"), "recurs more often"),
    (file(*["DTSTART;VALUE=DATE:20000101\r\nRRULE:FREQ=DAILY"] * 30), "has too many recurrences"),
    (file(*["DTSTART;VALUE=DATE:20000101"] * 5001), "contains more than 5000 events"),
]


@pytest.mark.parametrize(("data", "why"), REFUSED)
def test_what_is_no_list_of_holidays_is_refused(data: bytes, why: str) -> None:
    """A file that is none, or that would take for ever to unroll, is refused at once and with the reason."""
    with pytest.raises(HolidayError) as caught:
        read(data, years=range(2026, 2028))

    assert why in str(caught.value)


def test_repeating_and_moved_days() -> None:
    """Rules, exceptions and moved occurrences are unrolled as RFC 5545 says."""
    holidays = read(
        file(
            "DTSTART;VALUE=DATE:20200501\r\nRRULE:FREQ=YEARLY\r\nEXDATE;VALUE=DATE:20270501",
            "DTSTART;VALUE=DATE:20200101\r\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
        )
    )

    assert 2 == len(holidays.year(2026, UTC))
    assert 1 == len(holidays.year(2027, UTC))


@pytest.mark.fault("L3")
def test_a_day_that_ends_on_itself_is_a_day() -> None:
    """An event of whole days whose end is its beginning, as some programs write it, closes that day, each time that it
    repeats.
    """
    day = "DTSTART;VALUE=DATE:20260501\r\nDTEND;VALUE=DATE:20260501"
    found = read(file(day, f"{day.replace('0501', '0601')}\r\nRRULE:FREQ=YEARLY"))
    for year, days in ((2026, 2), (2027, 1)):
        assert [86_400.0] * days == [end - begin for begin, end in found.year(year, UTC)]

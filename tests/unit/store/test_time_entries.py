"""The copy of time entries."""

import datetime as dt
from dataclasses import replace

import pytest

from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.time_entries import UNITS_PER_HOUR, ReadPosition, TimeEntries, TimeEntry


@pytest.fixture
def hours(store: Store) -> TimeEntries:
    return TimeEntries(store.database)


def _entry(number: int, *, issue: int | None = 7, project: int = 1, units: int = 300) -> TimeEntry:
    day = dt.date(2026, 5, 20)
    return TimeEntry(number, issue, project, 5, "Anna Agent", "Support", units, day, 1000.0, 2000.0)


@pytest.mark.parametrize(
    "reading",
    [
        ReadPosition(),
        ReadPosition(None, complete=True, swept=9, search=(2, 5)),
        ReadPosition((1, 2), complete=False, swept=3),
    ],
)
def test_how_far_was_read_comes_back_as_it_was_kept(hours: TimeEntries, reading: ReadPosition) -> None:
    assert ReadPosition() == hours.reading()
    hours.change(reading)
    assert reading == hours.reading()


def test_entries_are_taken_over_and_those_that_are_other_than_before_counted(hours: TimeEntries) -> None:
    put = [_entry(number) for number in (3, 5, 9)]
    assert 3 == hours.change(ReadPosition(), put)
    assert 0 == hours.change(ReadPosition(), put)
    changed = replace(put[1], units_of_12s=150)
    assert 3 == hours.change(ReadPosition(), [put[0], changed, _entry(12)], remove=[9, 4000])
    assert {3: put[0], 5: changed, 12: _entry(12)} == hours.between(None, None)
    assert 3 == hours.count()


def test_entries_are_found_by_their_place_and_between_numbers(hours: TimeEntries) -> None:
    assert (0, None, 0) == (hours.count(), hours.at(0), hours.rank(5))
    hours.change(ReadPosition(), [_entry(number) for number in (9, 3, 5)])
    assert [3, 5, 9, None] == [hours.at(offset) for offset in range(4)]
    assert [0, 1, 1, 2, 3] == [hours.rank(number) for number in (2, 3, 4, 5, 10)]
    assert [{3, 5}, {5, 9}, {5}, {3, 5, 9}] == [
        set(hours.between(*bounds)) for bounds in ((None, 5), (5, None), (4, 8), (3, 9))
    ]


def test_an_entry_of_a_project_alone_is_held_but_is_no_issues(hours: TimeEntries) -> None:
    hours.change(ReadPosition(), [_entry(5), _entry(4, issue=None), _entry(3)])
    assert [_entry(3), _entry(5)] == list(hours.entries())
    assert 3 == hours.count()


def test_a_whole_reading_holds_its_entries_and_no_others(hours: TimeEntries) -> None:
    hours.change(ReadPosition(), [_entry(3), _entry(5)])
    hours.replace_all(ReadPosition(None, complete=True), [_entry(5), _entry(6)])
    assert {5, 6} == hours.between(None, None).keys()
    assert ReadPosition(None, complete=True) == hours.reading()


def test_entries_of_projects_that_are_read_no_more_are_forgotten(hours: TimeEntries) -> None:
    hours.change(ReadPosition((1, 2)), [_entry(3), _entry(5, project=2), _entry(6, project=4)])
    assert 2 == hours.keep_only(ReadPosition((2,)))
    assert {5} == hours.between(None, None).keys()
    assert ReadPosition((2,)) == hours.reading()


def test_nothing_read(hours: TimeEntries) -> None:
    """Before anything was read, the reading is an incomplete one of no project."""
    nothing = ReadPosition(projects=(), complete=False, swept=0, search=None)
    assert nothing == hours.reading()


def test_ticks() -> None:
    """Minutes and hundredths of an hour are whole numbers of units."""
    assert (0, 0) == (UNITS_PER_HOUR % 60, UNITS_PER_HOUR % 100)

"""Business hours in the settings: which project keeps which, and what is refused."""

from pathlib import Path

import pytest

from redmine_mailbridge.business_time.business_hours import ALWAYS
from redmine_mailbridge.settings.calendars import calendars
from redmine_mailbridge.settings.load import load
from tests.unit.business_time.test_business_hours import file
from tests.unit.settings.given import GOOD as WITH_FILE
from tests.unit.settings.given import problems, write

GOOD = WITH_FILE.replace('api_key_file = "secrets/key"', 'api_key = "k"')


def test_each_project_finds_its_calendar(tmp_path: Path) -> None:
    """A project keeps the calendar that names it, any other the one that names none."""
    (tmp_path / "days.ics").write_bytes(file("DTSTART;VALUE=DATE:20261118"))
    text = f"""{GOOD}
[calendars.berlin]
projects = ["Support"]
time_zone = "Europe/Berlin"
hours = {{ mon = "09:00-12:30, 13:30-17:00", wed = "10:00-12:00" }}
holidays = "days.ics"

[calendars.world]
"""
    found = calendars(load(write(tmp_path / "settings.toml", text), {}).calendars)

    assert ("berlin", "world") == (found.of("support").name, found.of("elsewhere").name)
    # a week from Monday, 16 November 2026: the Wednesday is a holiday
    assert 7 * 3600 == found.of("support").seconds_between(1794783600, 1794783600 + 7 * 86400)
    assert 40 * 3600 == found.of("elsewhere").seconds_between(1794783600, 1794783600 + 7 * 86400)


def test_without_calendars_it_is_always_open(tmp_path: Path) -> None:
    """Without any calendar business time is time."""
    assert ALWAYS == calendars(load(write(tmp_path / "settings.toml", GOOD), {}).calendars).of("support")


WRONG = [
    ('time_zone = "Europe/Berlni"', 'must be a time zone such as "Europe/Berlin", did you mean "Europe/Berlin"?'),
    ('hours = { mon = "9-17" }', "must be hours such as"),
    ('hours = { mon = "17:00-09:00" }', "must run forwards within one day"),
    ('hours = { mon = "09:00-24:30" }', "must run forwards within one day"),
    ('hours = { mon = "09:00-12:00, 11:00-13:00" }', "must not overlap"),
    ('hours = { monday = "09:00-12:00" }', "mon"),
    ('hours = { mon = "" }', "must contain at least one open hour"),
    ('holidays = "none.ics"', "No such file or directory"),
    ('zone = "UTC"', 'did you mean "time_zone"?'),
]


@pytest.mark.parametrize(("line", "words"), WRONG)
def test_a_calendar_that_cannot_be_meant_is_refused(tmp_path: Path, line: str, words: str) -> None:
    """What is wrong with a calendar is one line that says where and what would be right."""
    found = problems(tmp_path, f"{GOOD}\n[calendars.office]\n{line}\n")

    assert 1 == len(found)
    assert "calendars.office" in found[0]
    assert words in found[0]


def test_a_project_keeps_one_calendar(tmp_path: Path) -> None:
    """Two calendars for one project, or for all others, are refused."""
    text = f'{GOOD}\n[calendars.a]\nprojects = ["x"]\n[calendars.b]\nprojects = ["X"]\n[calendars.c]\n[calendars.d]\n'

    assert [
        'settings.toml:16: [calendars.b] projects = ["X"]: "X" already uses calendar "a"',
        'settings.toml:18: [calendars.d] projects: is required: calendar "c" already applies to all others',
    ] == problems(tmp_path, text)


def test_a_file_that_is_no_calendar_is_refused(tmp_path: Path) -> None:
    """Holidays that cannot be read stop the start: a rule would act on the wrong day."""
    (tmp_path / "days.ics").write_text("hello")
    found = problems(tmp_path, f'{GOOD}\n[calendars.office]\nholidays = "days.ics"\n')

    assert 1 == len(found)
    assert "days.ics: is not an iCalendar file (.ics)" in found[0]

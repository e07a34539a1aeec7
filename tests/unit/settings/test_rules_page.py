"""The example of the page about time-based rules means what the page says."""

import re
from pathlib import Path

from redmine_mailbridge.settings.load import load

PAGE = Path(__file__).parents[3] / "docs" / "admin" / "rules.md"
REST = """
[redmine]
url = "https://redmine.example.com"
api_key = "k"
[outgoing]
host = "smtp.example.com"
[mailboxes.support]
address = "support@example.com"
host = "mail.example.com"
password = "p"
issue.project = "support"
"""
HOLIDAYS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//
BEGIN:VEVENT
UID:1
DTSTART;VALUE=DATE:20260101
RRULE:FREQ=YEARLY
SUMMARY:New Year
END:VEVENT
END:VCALENDAR
"""


def test_the_example_loads(tmp_path: Path) -> None:
    """Its rules, its calendar and its holidays are settings that can be used."""
    blocks = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    file = tmp_path / "settings.toml"
    file.write_text(REST + "".join(blocks), "utf-8")
    file.chmod(0o600)
    (tmp_path / "holidays.ics").write_text(HOLIDAYS.replace("\n", "\r\n"), "utf-8")
    settings = load(file, {})
    assert ["remind", "close", "escalate"] == [rule.name for rule in settings.rules]
    assert 3600 * 7 == settings.calendars["office"].calendar("office").seconds_between(1_772_438_400, 1_772_470_800)

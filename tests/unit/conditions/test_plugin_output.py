"""What Nagios, Icinga and Checkmk read: the format of the Monitoring Plugins Guidelines."""

import datetime as dt
import re

from redmine_mailbridge.conditions.condition import Condition, Severity
from redmine_mailbridge.conditions.plugin_output import plugin_lines, unknown_line

FIRST = re.compile(r"MAILBRIDGE (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+( \| [a-z]+=\d+;;;0( [a-z]+=\d+;;;0)*)?")


def box(name: str, severity: Severity, detail: str = "no answer") -> Condition:
    return Condition("mailbox-not-read", name, severity, 1.0, detail)


def test_nothing_is_wrong() -> None:
    assert ["MAILBRIDGE OK - nothing is wrong | critical=0;;;0 warning=0;;;0"] == plugin_lines([])


def test_one_line_then_details() -> None:
    """The first line names what is wrong and counts it; each condition follows with what to do."""
    began = dt.datetime.fromtimestamp(1.0).astimezone()
    lines = plugin_lines([box("a", Severity.CRITICAL), box("b", Severity.WARNING), box("c", Severity.OK)])
    assert "MAILBRIDGE CRITICAL - mailbox-not-read a, mailbox-not-read b | critical=1;;;0 warning=1;;;0" == lines[0]
    assert [
        f"[CRITICAL] mailbox-not-read a: Mailbox a cannot be read: no answer (since {began:%Y-%m-%d %H:%M})",
        "  Run `redmine-mailbridge check --mailbox a`.",
    ] == lines[1:3]
    assert "[OK] mailbox-not-read c" in lines[5]
    assert 7 == len(lines)


def test_what_has_only_begun_is_no_problem() -> None:
    assert plugin_lines([box("a", Severity.OK)])[0].startswith("MAILBRIDGE OK - nothing is wrong |")


def test_many_are_counted() -> None:
    """Of very many the first line names five."""
    first = plugin_lines([box(f"m{number}", Severity.WARNING) for number in range(9)])[0]
    assert first.startswith("MAILBRIDGE WARNING - mailbox-not-read m0, ")
    assert "m4 and 4 more | critical=0;;;0 warning=9;;;0" in first


def test_words_of_servers_do_not_break_the_format() -> None:
    """A server's words with the separator of numbers, or several lines, stay within their line."""
    lines = plugin_lines([box("a|b", Severity.WARNING, "x | critical=9\ny")])
    assert FIRST.fullmatch(lines[0])
    assert all("|" not in line and "\n" not in line for line in lines[1:])
    assert FIRST.fullmatch(unknown_line("settings.toml: 1 error\n| x"))

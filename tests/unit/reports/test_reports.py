"""Lives, reports and their formats."""

import csv
import io
import json
import re
from decimal import Decimal
from html.parser import HTMLParser

import pytest

from redmine_mailbridge.reports.events import Kind, MailFact, events_of
from redmine_mailbridge.reports.html_page import page
from redmine_mailbridge.reports.issue_timeline import Counts, TimelineEvent, figure_of, timeline_of
from redmine_mailbridge.reports.report import BYS, Period, Report, hours_of, report_of
from redmine_mailbridge.reports.table import as_csv, as_json, span_text, table
from tests.unit.reports.sample_data import BERLIN, CLOSING, at, entry, facts, half_time, issue, journal

NOW = at("2026-05-15 12:00")
EVER = Period()


def test_the_first_answer_is_an_agents_first_public_note() -> None:
    """Notes of the customer and of the bridge, private notes and mere changes are no answer."""
    history = [
        journal(1, "2026-03-02 10:05", side="bridge", has_notes=True),
        journal(2, "2026-03-02 10:10", side="customer", has_notes=True),
        journal(3, "2026-03-02 10:20", has_notes=True, private=True),
        journal(4, "2026-03-02 10:30", status_from="New", status_to="In Progress"),
        journal(5, "2026-03-02 12:00", has_notes=True),
        journal(6, "2026-03-02 13:00", has_notes=True, user_name="Bob"),
    ]
    assert TimelineEvent(at("2026-03-02 12:00"), "Anna", 5) == timeline_of(issue(), history, CLOSING).first_answer


def test_the_resolution_is_the_last_closing_and_reopening_takes_it_back() -> None:
    """An issue closed, reopened and closed again is resolved at the second closing, and was reopened once."""
    history = [
        journal(1, "2026-03-03 10:00", status_from="New", status_to="Closed"),
        journal(2, "2026-03-04 10:00", side="customer", status_from="Closed", status_to="New"),
        journal(3, "2026-03-06 10:00", status_from="New", status_to="Rejected"),
    ]
    still_open = timeline_of(issue(), history[:2], CLOSING)
    closed = timeline_of(issue(closed=True, closed_on=at("2026-03-06 10:00")), history, CLOSING)
    assert (None, TimelineEvent(at("2026-03-06 10:00"), "Anna", 5)) == (still_open.resolved, closed.resolved)
    assert (at("2026-03-04 10:00"),) == closed.reopened
    moments = ("2026-03-01", "2026-03-02 11:00", "2026-03-03 12:00", "2026-03-05", "2026-03-07")
    assert [False, True, False, True, False] == [closed.open_at(at(moment)) for moment in moments]


def test_a_conversation_that_began_later() -> None:
    """An issue made in Redmine counts from when its conversation began: what was before is no opening, no reopening and
    no resolution of it, and spans begin then.
    """
    history = [
        journal(1, "2026-03-03 10:00", status_from="New", status_to="Closed"),
        journal(2, "2026-03-04 10:00", side="customer", status_from="Closed", status_to="New"),
        journal(3, "2026-03-05 10:00", status_from="New", status_to="Closed"),
        journal(4, "2026-03-10 12:00", has_notes=True),
    ]
    begun = issue(closed=True, closed_on=at("2026-03-05 10:00"), mail_id=None, begun_on=at("2026-03-10 10:00"))
    timeline = timeline_of(begun, history, CLOSING)
    assert ((), None) == (timeline.reopened, timeline.resolved)
    assert [False, False] == [timeline.open_at(at(moment)) for moment in ("2026-03-02 11:00", "2026-03-11")]
    figure = figure_of(timeline, Counts(), half_time)
    assert (7200.0, 3600.0, None, 0, 0) == (
        figure.first_answer, figure.first_answer_business, figure.resolution, figure.mails_in, figure.reopened,
    )  # fmt: skip
    opened = [event for event in events_of(facts([begun], history)) if event.kind in {Kind.OPENED, Kind.ANSWERED}]
    assert {(Kind.OPENED, 10, 0.0), (Kind.ANSWERED, 10, 7200.0)} == {
        (event.kind, event.day.day, event.elapsed) for event in opened
    }


def test_an_issue_that_was_closed_without_a_trace_is_resolved_when_redmine_says() -> None:
    """Without a journal of it, closed_on tells."""
    timeline = timeline_of(issue(closed=True, closed_on=at("2026-03-05 10:00"), assignee="Bob"), [], CLOSING)
    assert TimelineEvent(at("2026-03-05 10:00"), "Bob") == timeline.resolved


def test_figures_have_calendar_and_business_time() -> None:
    """Both spans begin when the issue was made; business time is the calendar's."""
    history = [journal(1, "2026-03-02 12:00", has_notes=True)]
    figure = figure_of(timeline_of(issue(), history, CLOSING), Counts({1: 450}, {1: 2}, {1: 1}), half_time)
    assert (450, 7200.0, 3600.0, None, 2, 1, 0) == (
        figure.units_of_12s, figure.first_answer, figure.first_answer_business, figure.resolution,
        figure.mails_in, figure.mails_out, figure.reopened,
    )  # fmt: skip


@pytest.mark.parametrize(("units", "hours"), [(0, "0"), (100, "0.33"), (200, "0.67"), (1, "0"), (375, "1.25")])
def test_hours_are_rounded_only_when_they_are_shown(units: int, hours: str) -> None:
    """A third of an hour, three times, is an hour."""
    assert Decimal(hours) == hours_of(units)
    assert Decimal(1) == hours_of(100 + 100 + 100)


def made(by: str, period: Period = EVER) -> Report:
    issues = [issue(1), issue(2, "2026-04-10 22:30", project="sales", project_name="Sales", domain="other.example",
                              requester="=cmd@other.example", requester_name='=HYPERLINK("x")', assignee="Bob",
                              assignee_id=6, closed=True, closed_on=at("2026-04-12 22:30"))]  # fmt: skip
    journals = [
        journal(1, "2026-03-02 12:00", has_notes=True),
        journal(2, "2026-04-12 22:30", issue=2, status_from="New", status_to="Closed", user_id=6, user_name="Bob"),
    ]
    entries = [entry(1, 100), entry(2, 100, activity="Design"), entry(3, 100, user_id=6, user="Bob"),
               entry(4, 600, "2026-04-11", issue=2),
               entry(5, 999, issue=77)]  # fmt: skip
    mails = {"mails_in": [MailFact(1, at("2026-03-02 10:00")), MailFact(2, at("2026-04-10 22:30"))], "mails_out": []}
    return report_of(facts(issues, journals, entries, **mails), by, period, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize("by", BYS)
def test_every_report_adds_up_to_the_same_total(by: str) -> None:
    """Whatever a report is by, its hours add up to all hours on issues that came by mail, and to no others."""
    report = made(by)
    assert (900, 900) == (sum(row.units_of_12s for row in report.rows), report.total.units_of_12s)
    assert (2, 1, 1, 2, 1) == (
        report.total.opened, report.total.answered.count, report.total.resolved.count,  # type: ignore[union-attr]
        report.total.mails_in, report.total.backlog,
    )  # fmt: skip


def test_months_are_those_of_the_zone_without_gaps() -> None:
    """A month in which nothing happened stands between, each with what was open at its end."""
    report = made("month")
    assert [("2026-03", 300, 1), ("2026-04", 600, 1)] == [
        (row.key, row.units_of_12s, row.backlog) for row in report.rows
    ]


@pytest.mark.fault("N9")
def test_what_was_ignored_is_counted() -> None:
    """Mails of which nothing was made count in the period in which they came: in the total, by mailbox and by month."""
    from redmine_mailbridge.reports.events import IgnoredFact

    days = ("2026-03-02", "2026-03-03", "2026-05-01")
    ignored = [IgnoredFact(box, at(f"{day} 10:00")) for day in days for box in ("support", "quiet")]

    def counted(by: str, period: Period = EVER) -> tuple[dict[str, int | None], int | None]:
        report = report_of(facts([issue(1)], [], [], ignored=ignored), by, period, NOW)  # type: ignore[arg-type]
        return {row.key: row.ignored for row in report.rows}, report.total.ignored

    assert ({"support": 3, "quiet": 3}, 6) == counted("mailbox")
    assert ({"2026-03": 4, "2026-04": 0, "2026-05": 2}, 6) == counted("month")
    assert ({"support": None}, 4) == counted("project", Period(at_day("2026-03-01"), at_day("2026-03-31")))


def test_a_period_counts_what_happened_within() -> None:
    """Both its days belong to it, in the report's zone; the backlog is that of its last moment."""
    march = made("project", Period(at_day("2026-03-01"), at_day("2026-03-31")))
    assert [("support", 300)] == [(row.key, row.units_of_12s) for row in march.rows]
    assert (1, 1) == (march.total.opened, march.total.backlog)
    april = made("project", Period(at_day("2026-04-11")))
    assert (1, 600) == (april.total.opened, april.total.units_of_12s)


def at_day(text: str):
    import datetime as dt

    return dt.date.fromisoformat(text)


def test_agents_and_activities() -> None:
    """Hours belong to who spent them, answers to who wrote them, resolutions to who closed."""
    agents = {row.label: row for row in made("agent").rows}
    assert (800, 1, 0) == (agents["Anna"].units_of_12s, agents["Anna"].answered.count, agents["Anna"].resolved.count)  # type: ignore[union-attr]
    assert 1 == agents["Bob"].resolved.count  # type: ignore[union-attr]
    activities = {row.key: row for row in made("activity").rows}
    assert (100, None) == (activities["Design"].units_of_12s, activities["Design"].opened)


@pytest.mark.fault("O23")
def test_two_agents_of_one_name_are_two() -> None:
    """Hours, answers and issues of two people who bear one name stand in a row for each, told apart in their labels;
    so do two projects of one name.
    """
    issues = [issue(1, assignee="Anna", assignee_id=5), issue(2, assignee="Anna", assignee_id=6)]
    journals = [
        journal(1, "2026-03-02 12:00", has_notes=True),
        journal(2, "2026-03-02 12:00", issue=2, user_id=6, has_notes=True),
    ]
    held = facts(issues, journals, [entry(1, 100), entry(2, 700, user_id=6, issue=2), entry(3, 50)])
    rows = {row.key: row for row in report_of(held, "agent", EVER, NOW).rows}
    assert {"5": 150, "6": 700} == {key: row.units_of_12s for key, row in rows.items()}
    assert [1, 1] == [row.answered.count for row in rows.values() if row.answered]
    assert [1, 1] == [row.backlog for row in rows.values()]
    assert {"Anna [5]", "Anna [6]"} == {row.label for row in rows.values()}


@pytest.mark.fault("O22")
def test_hours_of_any_year() -> None:
    """Hours that somebody booked on a day of the year 206, 1 or 9999 stand in their own months and in the total, and no
    month is added on the way there.
    """
    days = ("0001-01-01", "0206-02-28", "9999-12-31")
    entries = [entry(number, 300, day) for number, day in enumerate(days, 1)]
    held = facts([issue(1), issue(2, "2026-05-10 10:00")], [], entries)
    for by in BYS:
        report = report_of(held, by, EVER, NOW)
        assert (900, 2) == (report.total.units_of_12s, report.total.backlog)
    months = [row.key for row in report_of(held, "month", EVER, NOW).rows]
    assert ["0001-01", "0206-02", "2026-03", "2026-04", "2026-05", "9999-12"] == months
    assert 300 == report_of(held, "month", Period(at_day("9999-12-01"), at_day("9999-12-31")), NOW).total.units_of_12s


@pytest.mark.fault("O24")
@pytest.mark.parametrize("form", ["=cmd|'/c calc'!A0", "＝1+1", "+1", "－1", "@SUM(1)", " \u200b=1", '"=1'])
@pytest.mark.parametrize("before", ["x;", "x; ", "x\t", "x\r\n", 'x";', "x\u2028"])
def test_no_spreadsheet_sees_a_formula(form: str, before: str) -> None:
    """Whatever a customer's name is, and wherever a spreadsheet splits lines, no cell of the report begins as a formula
    does.
    """
    rows = [issue(1, requester_name=f"{before}{form}")]
    text = as_csv(report_of(facts(rows), "requester", EVER, NOW))
    text += as_csv(report_of(facts([issue(1, requester_name=form)]), "requester", EVER, NOW))
    cells = [cell for line in text.splitlines() for cell in re.split("[,;\t]", line)]
    assert [] == [cell for cell in cells if re.match(r'[\s"\u200b]*[=+\-@＝＋－＠]', cell)]


def test_csv_is_read_back_with_its_exact_hours_and_no_formula() -> None:
    """Names that customers chose cannot run in the spreadsheet of who opens the report."""
    rows = list(csv.DictReader(io.StringIO(as_csv(made("requester")), newline="")))
    assert {"'=cmd@other.example", "zoe@client.example"} == {row["requester"] for row in rows}
    assert {"2.00", "1.00"} == {row["hours"] for row in rows}
    assert not [row for row in rows if row["label"].startswith("=")]


def test_json_and_table_tell_the_same() -> None:
    """The sums of all formats are the same."""
    report = made("project")
    assert "3.00" == json.loads(as_json(report))["total"]["hours"]
    assert "3.00" in table(report).splitlines()[-1]


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (60, "1 min"), (7100, "118 min"), (7200, "2.0 h"), (2e5, "2.3 d")]
)
def test_spans_as_people_say_them(seconds: float | None, text: str) -> None:
    """Minutes, hours or days."""
    assert text == span_text(seconds)


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.pictures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]
        if tag == "svg":
            assert "img" == values["role"]
            self.pictures.append(values["aria-label"] or "")


def test_the_page_needs_nothing_else_and_lets_nothing_in() -> None:
    """One file: no script, nothing to load, every name as text, and each chart with its numbers in words."""
    hostile = issue(3, subject='<script>alert(1)</script>"', project_name="<b>x</b>")
    held = facts([hostile], [], [entry(1, 300, issue=3)])
    text = page(report_of(held, "issue", Period(), NOW), report_of(held, "month", Period(), NOW), (), BERLIN)
    parsed = Page()
    parsed.feed(text)
    assert [] == [tag for tag in parsed.tags if tag in {"script", "link", "img", "b", "iframe"}] + parsed.links
    assert "url(" not in text
    assert 4 == len(parsed.pictures)
    assert "2026-03: hours 1 h" in parsed.pictures[0]

"""Issues, histories and time entries as a test wants them."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from redmine_mailbridge.reports.events import MailFact, ReportFacts
from redmine_mailbridge.reports.issue_timeline import timelines_of
from redmine_mailbridge.store.issue_copy import IssueRow, JournalRow
from redmine_mailbridge.store.time_entries import TimeEntry

BERLIN = ZoneInfo("Europe/Berlin")
CLOSING = frozenset({"closed", "rejected"})


def at(text: str) -> float:
    """A moment in UTC: "2026-03-02 10:00"."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


def issue(number: int = 1, created: str = "2026-03-02 10:00", **more: Any) -> IssueRow:
    values = {
        "id": number, "mailbox": "support", "mail_id": number, "requester": "zoe@client.example",
        "requester_name": "Zoe", "domain": "client.example", "project_id": 1, "project": "support",
        "project_name": "Support", "project_public": True, "tracker": "Support", "status": "New", "closed": False,
        "priority": "Normal", "assignee_id": None, "assignee": None, "author_id": None, "subject": f"Question {number}",
        "private": False, "created_on": at(created), "updated_on": at(created), "closed_on": None,
        "seen_at": at(created),
    }  # fmt: skip
    return IssueRow(**(values | more))


def journal(number: int, when: str, *, issue: int = 1, side: Any = "agent", **more: Any) -> JournalRow:
    values: dict[str, Any] = {"user_id": 5, "user_name": "Anna", "has_notes": False, "private": False}
    return JournalRow(id=number, issue=issue, at=at(when), side=side, **(values | more))


def entry(number: int, units: int, day: str = "2026-03-03", *, issue: int | None = 1, **more: Any) -> TimeEntry:
    values: dict[str, Any] = {"project_id": 1, "user_id": 5, "user": "Anna", "activity": "Support"}
    spent = dt.date.fromisoformat(day)
    return TimeEntry(id=number, issue=issue, units_of_12s=units, spent_on=spent, created_on=0.0, updated_on=0.0,
                     **(values | more))  # fmt: skip


def half_time(_project: str, start: float, end: float) -> float:
    """A calendar by which half of all time is working time."""
    return (end - start) / 2


def facts(
    issues: list[IssueRow],
    journals: Sequence[JournalRow] = (),
    entries: Sequence[TimeEntry] = (),
    **more: Any,
) -> ReportFacts:
    mails: dict[str, list[MailFact]] = {"mails_in": [], "mails_out": []}
    return ReportFacts(
        timelines_of(issues, journals, CLOSING), entries, **(mails | more), working=half_time, zone=BERLIN
    )

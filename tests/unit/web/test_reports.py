"""Reports on a page and as files."""

import datetime as dt
import json
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.reports.overview import Overview
from redmine_mailbridge.reports.report import BYS, Period, Report, ReportRow
from redmine_mailbridge.store.issue_copy import IssueCopy, IssueRow
from redmine_mailbridge.web.pages import reports
from redmine_mailbridge.web.report_cache import ReportCache
from tests.unit.web.site import Site


@pytest.fixture
def counted(site: Site) -> Site:
    """One issue by mail, opened and still open."""
    row = site.keep(b"Subject: x\n\nx")
    site.desk.store.done(row.id, "made", issue=7, created=True)
    now = site.desk.store.clock()
    issue = IssueRow(
        id=7, mailbox="support", mail_id=row.id, requester="kim@client.example", requester_name="Kim Client",
        domain="client.example", project_id=1, project="desk", project_name="Desk <b>", project_public=True,
        tracker="Bug", status="New", closed=False, priority="Normal", assignee_id=None, assignee=None, author_id=3,
        subject="Printer", private=False, created_on=now, updated_on=now, closed_on=None, seen_at=now,
    )  # fmt: skip
    IssueCopy(site.desk.store.database, site.desk.store.clock).save(issue, ())
    site.sign_in()
    return site


@pytest.mark.parametrize("by", BYS)
def test_the_page(counted: Site, by: str) -> None:
    """The report is shown by each choice, its names as text, with its sum."""
    answer = counted.browser.get(f"/reports?by={by}")
    assert 200 == answer.status_code
    assert "Total" in answer.text
    assert "<b>Desk" not in answer.text
    if by == "project":
        assert "Desk &lt;b&gt;" in answer.text


def test_nothing_yet(site: Site) -> None:
    """Without numbers the page says what to do; a nonsense choice or day is the default."""
    site.sign_in()
    assert "No data yet" in site.browser.get("/reports?by=nonsense&first=x").text


def test_files(counted: Site) -> None:
    """The same report is a CSV, a JSON and an HTML file to keep; another kind there is not."""
    for style in ("csv", "json", "html"):
        answer = counted.browser.get(f"/reports/report.{style}?by=customer")
        assert (200, True) == (answer.status_code, "client.example" in answer.text)
        assert "attachment" in answer.headers["Content-Disposition"]
    assert "customer" == json.loads(counted.browser.get("/reports/report.json?by=customer").text)["by"]
    assert 404 == counted.browser.get("/reports/report.exe").status_code


@pytest.mark.fault("N12")
def test_german_numbers(counted: Site) -> None:
    """German pages write numbers as Germans do: 0,00 and 2,5 Tage, in tables, tiles and charts."""
    page = counted.browser.get("/reports", headers={"Accept-Language": "de"}).text
    assert "0,00" in page
    assert "0.00" not in page


@pytest.mark.fault("N12")
def test_a_time_in_business_hours_stands_below_the_same_by_the_clock(counted: Site) -> None:
    """The table has a column less for each time that is told in two ways, so that it fits a page of 1280 pixels."""
    page = counted.browser.get("/reports").text
    head = page[page.index('aria-labelledby="numbers"') :].partition("</thead>")[0]
    assert 12 == head.count("<th ")
    assert 2 == head.count("in business hours")


def test_with_many_messages_the_page_does_not_wait_for_the_report(
    counted: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a report takes seconds, the page says at once that it is being computed, and asks again until it shows it;
    a file waits for it.
    """
    monkeypatch.setattr(reports, "MANY", 0)
    first = counted.browser.get("/reports?by=customer").text
    assert "The report is being computed." in first
    assert 'hx-trigger="every 2s"' in first
    assert "client.example" not in first
    end = time.monotonic() + 60
    while "client.example" not in (shown := counted.browser.get("/reports?by=customer").text):
        assert time.monotonic() < end
    assert "The report is being computed." not in shown
    assert "client.example" in counted.browser.get("/reports/report.csv?by=customer").text


def _overview(name: str, made_at: float = 0.0) -> Overview:
    row = ReportRow(name, name, 0, 0, None, None, 0, 0, 0, 0)
    report = Report("project", Period(), made_at, (), row)
    return Overview(report, report, (), dt.UTC)


def _asked(cache: ReportCache, now: float, compute: Callable[[], Overview]) -> tuple[Overview | None, bool]:
    """Ask for the last report, as the page does, and have a newer one computed if it is outdated."""
    shown = cache.last("x", now)
    if shown[1]:
        cache.begin("x", now, compute)
    return shown


def _until(cache: ReportCache, now: float, wanted: Overview) -> bool:
    """Ask again until the report is there. Return whether a newer one is being computed then."""
    end = time.monotonic() + 60
    while (found := _asked(cache, now, lambda: wanted))[0] is not wanted:
        assert time.monotonic() < end
    return found[1]


def test_the_last_report_is_shown_while_a_new_one_is_computed() -> None:
    """A report is shown for a minute; after that it is still shown, at once, until the new one is there. No report is
    computed twice at the same time.
    """
    cache, hold, begun = ReportCache(), threading.Event(), []
    old, new = _overview("old"), _overview("new")

    def slow() -> Overview:
        begun.append(1)
        hold.wait(60)
        return new

    assert (None, True) == _asked(cache, 1000.0, lambda: old)
    assert not _until(cache, 1000.0, old)
    assert (old, False) == _asked(cache, 1059.0, slow)
    assert (old, True) == _asked(cache, 1061.0, slow)
    assert (old, True) == _asked(cache, 1062.0, slow)
    hold.set()
    assert not _until(cache, 1063.0, new)
    assert [1] == begun


def _asked_again(cache: ReportCache, compute: Callable[[], Overview]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        _asked(cache, 1000.0, compute)


def test_a_report_that_cannot_be_computed_is_said_once() -> None:
    """What failed in the background is the answer to the next request; the one after that has it computed again."""

    def fails() -> Overview:
        raise StoreError("the database is away")

    cache = ReportCache()
    with pytest.raises(StoreError):
        _asked_again(cache, fails)
    fine = _overview("fine")
    assert not _until(cache, 1000.0, fine)


def test_a_report_that_takes_minutes_is_fresh_when_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """What took longer to compute than a report is shown for is shown for a minute from its end on."""
    cache, long = ReportCache(), _overview("long")
    ticks = iter([0.0, 300.0])
    monkeypatch.setattr("redmine_mailbridge.web.report_cache.time", SimpleNamespace(monotonic=lambda: next(ticks)))
    assert (None, True) == _asked(cache, 1000.0, lambda: long)
    end = time.monotonic() + 60
    while (shown := _asked(cache, 1310.0, lambda: long)) == (None, True):
        assert time.monotonic() < end
    assert (long, False) == shown


def test_an_older_report_does_not_replace_a_newer_one() -> None:
    """A report that was begun earlier and ends later is dropped."""
    cache, hold = ReportCache(), threading.Event()
    old, new = _overview("old", 1000.0), _overview("new", 1100.0)

    def slow() -> Overview:
        hold.wait(60)
        return old

    assert (None, True) == _asked(cache, 1000.0, slow)
    assert new is cache.whole("x", 1100.0, lambda: new)
    hold.set()
    end = time.monotonic() + 60
    while any(one.name == "report" for one in threading.enumerate()):
        assert time.monotonic() < end
    assert (new, False) == _asked(cache, 1110.0, lambda: old)


@pytest.mark.fault("A31-4")
def test_a_report_from_a_wrong_clock_is_replaced() -> None:
    """After the clock was set back by hours, the next report is kept, and not computed again at every request."""
    cache, future, right = ReportCache(), _overview("future", 9000.0), _overview("right", 1000.0)
    assert future is cache.whole("x", 9000.0, lambda: future)
    assert not _until(cache, 1000.0, right)
    assert right is cache.whole("x", 1010.0, lambda: future)


@pytest.mark.fault("A31-5")
def test_a_request_that_was_overtaken_computes_nothing() -> None:
    """Two requests find a report outdated. It is there before the second one asks for it: it is not computed twice."""
    cache, report, begun = ReportCache(), _overview("report"), []
    assert [(None, True)] * 2 == [cache.last("x", 1000.0) for _ in range(2)]
    assert not _until(cache, 1000.0, report)
    cache.begin("x", 1000.0, lambda: begun.append(1) or report)  # type: ignore[func-returns-value]
    end = time.monotonic() + 60
    while any(one.name == "report" for one in threading.enumerate()):
        assert time.monotonic() < end
    assert [] == begun


def test_a_thread_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system starts no thread the request fails, and the next one tries again."""
    cache, fine = ReportCache(), _overview("fine")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", Mock(side_effect=RuntimeError("can't start new thread")))
        for _ in range(3):
            with pytest.raises(RuntimeError):
                _asked(cache, 1000.0, lambda: fine)
    assert not _until(cache, 1000.0, fine)

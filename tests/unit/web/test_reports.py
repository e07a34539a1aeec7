"""Reports on a page and as files."""

import json

import pytest

from redmine_mailbridge.reports.report import BYS
from redmine_mailbridge.store.issue_copy import IssueRow, Issues
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
    Issues(site.desk.store.database, site.desk.store.clock).save(issue, ())
    site.sign_in()
    return site


@pytest.mark.parametrize("by", BYS)
def test_the_page(counted: Site, by: str) -> None:
    """The report is shown by each choice, its names as text, with its sum."""
    answer = counted.browser.get(f"/reports?by={by}")
    assert 200 == answer.status_code
    assert "In sum" in answer.text
    assert "<b>Desk" not in answer.text
    if by == "project":
        assert "Desk &lt;b&gt;" in answer.text


def test_nothing_yet(site: Site) -> None:
    """Without numbers the page says what to do; a nonsense choice or day is the default."""
    site.sign_in()
    assert "Nothing to report yet" in site.browser.get("/reports?by=nonsense&first=x").text


def test_files(counted: Site) -> None:
    """The same report is a CSV, a JSON and an HTML file to keep; another kind there is not."""
    for style in ("csv", "json", "html"):
        answer = counted.browser.get(f"/reports/report.{style}?by=customer")
        assert (200, True) == (answer.status_code, "client.example" in answer.text)
        assert "attachment" in answer.headers["Content-Disposition"]
    assert "customer" == json.loads(counted.browser.get("/reports/report.json?by=customer").text)["by"]
    assert 404 == counted.browser.get("/reports/report.exe").status_code

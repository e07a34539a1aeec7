"""Everything that can be done on the pages, done in a real browser; the last test sees that nothing is left out."""

import csv
import io
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import compile_path

from redmine_mailbridge.tasks.receive.admin_decisions import Decision
from redmine_mailbridge.web.routes import GET, POST
from tests.product import ANNA, STRANGER, mail
from tests.real.test_admin import DRIVEN, Desk, chromium, desk, expect
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox

__all__ = ["chromium", "desk"]
pytestmark = [
    pytest.mark.real,
    pytest.mark.newest,
    pytest.mark.timeout(300),
]
MODULES = {"test_admin", "test_admin_oauth", "test_admin_steering"}
DONE_BY = {f"decision={word}" for word in Decision} | {f"do={word}" for word in ("stop", "start", "reset")}


def saved(page: Any, link: Any) -> bytes:
    """Given a link to a file, return what is saved when it is pressed."""
    with page.expect_download() as waiting:
        link.click()
    return Path(waiting.value.path()).read_bytes()


def test_a_failed_mail(desk: Desk, mailbox: Mailbox, project: str) -> None:
    """Refused mails are found by each field, saved, tried again by new rules, imported under another subject."""
    desk.bridge.issue(unknown_sender="refuse")
    mailbox.append(mail("Paper jam", sender=STRANGER, files={"a.txt": b"x"}), mail("No toner", sender=STRANGER))
    with desk.running(), desk.window() as page:
        assert desk.service is not None
        desk.service.wait_for("mail", 2)
        page.goto(f"{desk.url}/messages")
        for label, text in (("Sender", "zoe@"), ("Subject", "PAPER"), ("From day", "2020-01-01"), ("Issue", "#1")):
            page.get_by_label(label).fill(text)
            page.get_by_role("button", name="Search").click()
            found = page.get_by_role("link", name="Paper jam")
            expect(found).to_have_count(0 if label == "Issue" else 1)
        page.get_by_role("link", name="Show all").click()
        page.get_by_label("State").select_option("rejected")
        page.get_by_label("Mailbox").select_option("support")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("link", name="No toner")).to_be_visible()

        page.get_by_role("link", name="Paper jam").click()
        steps = page.get_by_role("region", name="History")
        for words in ("read from INBOX", "connection to 127.0.0.1:", "login by", "no Redmine user", "refuse: "):
            expect(steps).to_contain_text(words)
        assert b"Subject: Paper jam" in saved(page, page.get_by_role("link", name="Download"))
        assert b"x" == saved(page, page.get_by_role("link", name="a.txt"))
        page.get_by_text("Import manually").click()
        page.get_by_label("Subject").fill("Paper jam, third floor")
        page.get_by_role("button", name="Import anyway").click()
        desk.service.wait_for("mail", 3)
        assert ["Paper jam, third floor"] == desk.subjects(project)

        page.goto(f"{desk.url}/not-imported")
        lines = list(csv.DictReader(io.StringIO(saved(page, page.get_by_text("Export as CSV")).decode())))
        assert [("rejected", "No toner")] == [(line["state"], line["subject"]) for line in lines]
        desk.bridge.issue(unknown_sender="accept")
        desk.service.signal(signal.SIGHUP)
        desk.service.wait_for("admin.listening", 2)
        page.goto(f"{desk.url}/not-imported")
        page.get_by_label("Select all").check()
        page.get_by_role("button", name="Retry with the rules").click()
        desk.service.wait_for("mail", 4)
        assert ["No toner", "Paper jam, third floor"] == desk.subjects(project)
        page.goto(f"{desk.url}/messages/2")
        expect(page.get_by_role("link", name=re.compile("Issue #[0-9]+ in Redmine"))).to_be_visible()


def test_steering(desk: Desk, mailbox: Mailbox, project: str) -> None:
    """The overview stops, starts and syncs one; a task is paused and timed; a braked mailbox is released."""
    desk.bridge.change({"tasks": {"receive": {"every": "1h"}}})
    desk.bridge.support(max_new_mails=1)
    with desk.running(), desk.window(timezone_id="Europe/Berlin") as page:
        assert desk.service is not None
        desk.service.wait_for("receive.first_sync")
        page.goto(desk.url)
        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Synchronization is stopped")).to_be_visible()
        mailbox.append(mail("One", sender=ANNA), mail("Two", sender=ANNA), mail("Three", sender=ANNA))
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_text("Synchronization is stopped")).to_have_count(0)
        page.get_by_role("button", name="Sync now: support").click()
        expect(page.get_by_role("status")).to_contain_text("receive:support starts now")
        assert "new mails at once" in desk.service.wait_for("receive.interrupted")[0]["reason"]
        assert [] == desk.subjects(project)
        page.get_by_role("link", name="support").click()
        expect(page.get_by_role("row", name=re.compile("^max_new_mails"))).to_contain_text("settings.toml:")
        expect(
            page.get_by_role("row", name=re.compile("^password ")).first.get_by_role("cell", name="set", exact=True)
        ).to_be_visible()
        page.get_by_text("Resume after too many new mails").click()
        page.get_by_role("button", name="Import all of them").click()
        page.get_by_role("button", name="Sync now: support").click()
        desk.service.wait_for("mail", 3)
        assert ["One", "Three", "Two"] == desk.subjects(project)

        page.goto(f"{desk.url}/tasks")
        row, form = page.get_by_role("row", name=re.compile("^aggregate")), page.get_by_role("form", name="aggregate")
        form.get_by_label("Next run").fill("2030-07-01T07:30")
        form.get_by_role("button", name="Change").click()
        expect(row.locator("time[title*='2030-07-01 07:30:00 CEST']")).to_be_visible(timeout=20_000)
        form.get_by_label("Runs automatically").select_option("no")
        form.get_by_role("button", name="Change").click()
        expect(row).to_contain_text("paused")
        form.get_by_role("button", name="Reset to the settings file").click()
        expect(row).not_to_contain_text("paused")
        page.get_by_role("button", name="Run now: update").click()
        expect(page.get_by_role("status")).to_contain_text("update starts now")
        form.get_by_label("or crontab").fill("never")
        form.get_by_role("button", name="Change").click()
        expect(page.get_by_role("alert")).to_contain_text("five fields are required")


def test_looking(desk: Desk, mailbox: Mailbox) -> None:
    """Templates, explanations, reports, checks of everything, the log by level, and the numbers for machines."""
    mailbox.append(mail("Counted", sender=ANNA))
    with desk.running(), desk.window(accept_downloads=True) as page:
        assert desk.service is not None
        desk.service.wait_for("mail")
        page.goto(f"{desk.url}/templates")
        page.get_by_role("link", name="escalation").click()
        page.get_by_role("link", name="de", exact=True).click()
        expect(page.frame_locator("iframe").locator("body")).to_contain_text("4711")

        page.goto(f"{desk.url}/explain")
        page.get_by_text("Or paste the source").click()
        page.get_by_label("Complete source").fill(mail("Would be", sender=ANNA).decode())
        page.get_by_role("button", name="Explain").click()
        expect(page.get_by_role("heading", name="Would be")).to_be_visible()

        desk.service.wait_for("issues.refreshed")
        page.goto(f"{desk.url}/reports")
        page.get_by_label("Group by", exact=True).select_option("mailbox")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("region", name="By mailbox")).to_contain_text("support")
        assert b"support" in saved(page, page.get_by_role("link", name="CSV"))
        assert "mailbox" == json.loads(saved(page, page.get_by_role("link", name="JSON")))["by"]

        page.goto(f"{desk.url}/settings")
        expect(page.get_by_role("row", name=re.compile("^api_key "))).to_contain_text("set")
        assert desk.redmine.seed["users"]["admin"]["api_key"] not in page.content()
        page.get_by_role("button", name="Check everything").click()
        expect(page.get_by_text("all passed")).to_be_visible(timeout=30_000)

        page.goto(f"{desk.url}/log")
        page.get_by_label("Minimum level").select_option("error")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_text("No log lines")).to_be_visible()
        for probe in ("healthz", "readyz"):
            assert "ok\n" == page.request.get(f"{desk.url}/{probe}").text()
        assert 'redmine_mailbridge_mails{state="done"} 1\n' in page.request.get(f"{desk.url}/metrics").text()

        page.goto(f"{desk.url}/outgoing")
        expect(page.get_by_text("No mail in this list")).to_be_visible()
        page.goto(f"{desk.url}/messages?outcome=done")
        page.evaluate(
            "fetch('/messages/requester', {method: 'POST', body: new URLSearchParams({id: '1', address: ''})})"
        )
        page.evaluate(
            "fetch('/messages/decide', {method: 'POST', body: new URLSearchParams({id: '1', decision: 'undo'})})"
        )
        page.evaluate(
            "fetch('/messages/decide', {method: 'POST', body: new URLSearchParams({id: '1', decision: 'new'})})"
        )
        page.goto(f"{desk.url}/senders")
        page.get_by_label("Address or domain").fill("spam.example.com")
        page.get_by_role("button", name="Block").click()
        expect(page.get_by_role("status")).to_contain_text("spam.example.com: is blocked from now on")
        page.get_by_role("button", name="Remove spam.example.com").click()
        expect(page.get_by_role("status")).to_contain_text("is no longer listed")
        page.evaluate("fetch('/outgoing/decide', {method: 'POST', body: new URLSearchParams({decision: 'discard'})})")
        page.goto(f"{desk.url}/settings")
        page.get_by_role("button", name="Reload settings").click()
        expect(page.get_by_role("status")).to_contain_text("are being reloaded")
        desk.service.wait_for("admin.listening", 2)


def test_nothing_is_left_out(request: pytest.FixtureRequest, redmine: Redmine) -> None:
    """Every page, every action and every decision of the application was asked for by a browser in these tests."""
    del redmine  # only so that it runs where the others have run
    chosen = {item.nodeid.partition("[")[0] for item in request.session.items}
    whole = all(any(f"/{name}.py::" in one for one in chosen) for name in MODULES)
    if not whole or request.config.option.keyword:
        pytest.skip("only with all tests of the admin page")
    missing = [
        f"{method} {path}"
        for method, pages in (("GET", GET), ("POST", POST))
        for path in pages
        if not any(how == method and compile_path(path)[0].match(asked) for how, asked, _ in DRIVEN)
    ]
    done = {part for _, _, body in DRIVEN for part in body.split("&")}
    assert ([], set()) == (missing, DONE_BY - done)

"""The admin page in a real browser, over the running service, a real Redmine and a real Dovecot."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from redmine_mailbridge.web import passwords
from tests.product import ANNA, STRANGER, Product, Service, mail, product
from tests.servers.fixtures import Redmine
from tests.servers.mail import Mailbox
from tests.servers.processes import free_port
from tests.servers.selection import NOT_RUN
from tests.servers.trees import Unavailable, ensure_program

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect
AXE = (Path(__file__).parents[1] / "vendor" / "axe.min.js").read_text("utf-8")
PAGES = (
    "/", "/tasks", "/outgoing",
    "/messages", "/messages/1", "/messages/2", "/not-imported", "/mailboxes", "/mailboxes/support", "/settings",
    "/templates", "/templates/received", "/explain", "/log", "/changes", "/oauth", "/reports", "/reports?by=month",
)  # fmt: skip
DRIVEN: set[tuple[str, str, str]] = set()
"""What the browsers have asked for: method, path, and the form."""
HOSTILE = """<html><body onload="document.title='owned'"><h1>You won</h1><script>document.title="owned"</script>
<img src="http://tracker.example/dot.png" onerror="alert(1)"><a href="javascript:alert(2)">claim</a>
<iframe src="http://tracker.example/"></iframe><form action="http://tracker.example/"><input></form></body></html>"""

pytestmark = [
    pytest.mark.real,
    pytest.mark.newest,  # the pages speak to people; what they ask Redmine, other tests show on each version
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    try:
        program = ensure_program("chromium")
    except Unavailable as why:
        pytest.skip(f"{NOT_RUN}{why}")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=str(program), args=["--no-sandbox"])
        yield browser
        browser.close()


class Desk:
    """The running service with its pages, and browsers before them."""

    def __init__(self, bridge: Product, redmine: Redmine, chromium: Any, port: int) -> None:
        self.bridge, self.redmine, self.chromium = bridge, redmine, chromium
        self.url = f"http://127.0.0.1:{port}"
        self.service: Service | None = None

    @contextmanager
    def running(self) -> Iterator["Desk"]:
        """Run the service until the end of the block."""
        with self.bridge.service() as service:
            self.service = service
            service.wait_for("admin.listening")
            yield self
            service.signal(signal.SIGTERM)
            assert 0 == service.wait()

    @contextmanager
    def window(self, *, signed_in: bool = True, also: str = "data:", **how: Any) -> Iterator[Any]:
        """A browser window of its own; at its end nobody but we (and `also`) was asked, and nothing went wrong."""
        context = self.chromium.new_context(**how)
        page = context.new_page()
        page.set_default_timeout(20_000)
        strangers, wrong = [], []
        ours = (self.url, "data:", also)
        page.on("request", lambda asked: self._asked(asked, ours, strangers))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        try:
            if signed_in:
                self.sign_in(page)
            yield page
            assert ([], []) == (strangers, wrong)
        finally:
            context.close()

    def _asked(self, asked: Any, ours: tuple[str, ...], strangers: list[str]) -> None:
        if not asked.url.startswith(ours):
            strangers.append(asked.url)
        if asked.url.startswith(self.url):
            path = urlsplit(asked.url).path
            form = asked.post_data if "multipart" not in asked.headers.get("content-type", "") else ""
            DRIVEN.add((asked.method, path, form or ""))

    def sign_in(self, page: Any, login: str = "admin") -> None:
        """Fill in the form with a Redmine account."""
        page.goto(f"{self.url}/login")
        page.get_by_label("Redmine login").fill(login)
        page.get_by_label("Password", exact=True).fill(self.redmine.seed["users"][login]["password"])
        page.get_by_role("button", name="Sign in", exact=True).click()

    def subjects(self, project: str) -> list[str]:
        """The subjects of the project's issues, sorted."""
        return sorted(issue["subject"] for issue in self.redmine.admin.issues(project))


@pytest.fixture
def desk(tmp_path: Path, redmine: Redmine, mailbox: Mailbox, project: str, chromium: Any) -> Desk:
    """The bridge with its pages, reading every second; not running yet."""
    bridge, port = product(tmp_path, redmine, mailbox, project), free_port()
    bridge.change({"admin": {"listen": f"127.0.0.1:{port}"}, "tasks": {"receive": {"every": "1s"}}})
    return Desk(bridge, redmine, chromium, port)


def hostile() -> bytes:
    """A mail whose HTML tries to run scripts, load pictures, and lead away."""
    head, _, _ = mail("A prize", sender=STRANGER).partition(b"\n\n")
    return head.replace(b"text/plain", b"text/html") + b"\n\n" + HOSTILE.encode()


def test_sign_in(desk: Desk) -> None:
    """Redmine's administrators come in, by keyboard too, and go out; others do not; who is away changes nothing."""
    passwords.keep(desk.bridge.folder / "admin-password", "correct horse 9")
    desk.bridge.change({"admin": {"password_hash_file": "admin-password"}})
    with desk.running(), desk.window() as page:
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        expect(page.get_by_text("service running")).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.locator(":focus")).to_have_text("Skip to content")
        page.keyboard.press("Enter")
        assert "main" == page.evaluate("document.activeElement.id")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
        page.goto(f"{desk.url}/messages")
        expect(page).to_have_url(re.compile(r"/login\?next=%2Fmessages"))
        desk.sign_in(page, "anna")
        expect(page.get_by_role("alert")).to_contain_text("anna is not an administrator of Redmine")
        page.get_by_text("Redmine is down?").click()
        page.get_by_label("Local admin password").fill("correct horse 9")
        page.get_by_role("button", name="Sign in with this password").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_every_page(desk: Desk, mailbox: Mailbox) -> None:
    """Every page obeys its policy, asks nobody else, fits its window, and axe finds nothing that shuts somebody out."""
    desk.bridge.issue(unknown_sender="hold")
    odd = mail(f"{'ohne-Leerzeichen' * 30} \u202egnp \U0001f389", "السلام عليكم\n", sender="محمد <m@elsewhere.example>")
    mailbox.append(mail("Printer", sender=ANNA, files={"a.txt": b"x"}), odd)
    with desk.running():
        assert desk.service is not None
        desk.service.wait_for("mail", 2)
        for width, scheme, language in ((1280, "light", "en"), (375, "dark", "de")):
            how = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme, "locale": language}
            with desk.window(signed_in=False, **how) as page:
                page.goto(f"{desk.url}/login")
                well(page, width)
                page.locator("#login").fill("admin")
                page.locator("#password").fill(desk.redmine.seed["users"]["admin"]["password"])
                page.keyboard.press("Enter")
                page.locator("header .brand").wait_for()
                for path in PAGES:
                    answer = page.goto(desk.url + path)
                    assert 200 == answer.status, path
                    well(page, width)


def well(page: Any, width: int) -> None:
    """The page fits its window, and axe has nothing to say against it."""
    assert width >= page.evaluate("document.documentElement.scrollWidth"), page.url
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [] == [(page.url, one["id"], one["nodes"][0]["html"]) for one in found["violations"]]


def test_a_hostile_mail(desk: Desk, mailbox: Mailbox) -> None:
    """A mail that tries to run a script, to load a picture or to lead away is shown, and does none of it."""
    mailbox.append(hostile())
    with desk.running():
        assert desk.service is not None
        desk.service.wait_for("mail")
        with desk.window() as page:
            page.goto(f"{desk.url}/messages/1")
            expect(page.frame_locator("iframe").get_by_text("You won")).to_be_visible()
            expect(page.get_by_text("remote images blocked: 1")).to_be_visible()
            page.frame_locator("iframe").get_by_text("claim").click()
            page.goto(f"{desk.url}/messages/1/original")
            expect(page.get_by_text("You won")).to_be_visible()
            assert "Original" == page.title()


def test_what_was_turned_away_is_imported(desk: Desk, mailbox: Mailbox, project: str) -> None:
    """A held mail that is accepted, a refused one imported anyway, and one filed by hand appear in Redmine."""
    desk.bridge.issue(unknown_sender="hold")
    mailbox.append(mail("First", sender=STRANGER), mail("Second", sender=STRANGER), mail("Third", sender=STRANGER))
    with desk.running():
        assert desk.service is not None
        desk.service.wait_for("mail", 3)
        with desk.window() as page:
            page.goto(f"{desk.url}/not-imported")
            page.get_by_role("link", name="First").click()
            page.get_by_role("button", name="Accept", exact=True).click()
            expect(page.get_by_role("status")).to_contain_text("1: will be processed with the next receive")
            desk.service.wait_for("mail", 4)
            assert ["First"] == desk.subjects(project)

            page.goto(f"{desk.url}/not-imported")
            page.get_by_label("Select mail 2").check()
            page.get_by_role("button", name="Reject held").click()
            expect(page.get_by_role("status")).to_contain_text("2: is rejected")
            page.get_by_label("Select mail 2").check()
            page.get_by_role("button", name="Import anyway").click()
            desk.service.wait_for("mail", 5)
            assert ["First", "Second"] == desk.subjects(project)

            page.goto(f"{desk.url}/messages/3")
            page.get_by_text("Import manually").click()
            number = desk.redmine.admin.issues(project)[0]["id"]
            page.get_by_label("Issue", exact=True).fill(f"#{number}")
            page.get_by_role("button", name="Add to this issue").click()
            desk.service.wait_for("mail", 6)
            page.goto(f"{desk.url}/messages/3")
            expect(page.get_by_role("link", name=f"Issue #{number} in Redmine")).to_be_visible()
            assert ["First", "Second"] == desk.subjects(project)

            page.goto(f"{desk.url}/changes")
            expect(page.get_by_role("table")).to_contain_text("reject")


def test_a_failing_check(desk: Desk) -> None:
    """A check with a wrong password shows, line by line, what Dovecot says; so does the overview, and one mail."""
    desk.bridge.support(password="wrong")
    desk.bridge.change({"admin": {"alert_to": ["boss@example.com"], "alert_after": "1s"}})
    desk.bridge.change({"outgoing": {"transport": "console"}})
    with desk.running(), desk.window() as page:
        page.goto(f"{desk.url}/mailboxes/support")
        page.get_by_role("button", name="Check the connection").click()
        expect(page.get_by_role("heading", name="Done")).to_be_visible(timeout=60_000)
        expect(page.locator(".checks")).to_contain_text("AUTHENTICATIONFAILED")
        assert desk.service is not None
        (alert,) = desk.service.wait_for("alert")
        assert ("Mailbox support cannot be read", True) == (alert["title"], "AUTHENTICATIONFAILED" in alert["reason"])
        page.goto(f"{desk.url}/")
        expect(page.locator("main")).to_contain_text("AUTHENTICATIONFAILED")


def test_the_log_is_live(desk: Desk, mailbox: Mailbox) -> None:
    """What the service does appears on the open page by itself."""
    with desk.running(), desk.window() as page:
        page.goto(f"{desk.url}/log")
        expect(page.locator("#log-lines")).to_contain_text("admin.listening")
        mailbox.deliver(mail("Arrives", sender=ANNA))
        expect(page.locator("#log-lines")).to_contain_text("reason=new issue")
        with page.expect_download() as waiting:
            page.get_by_text("Download the last 8,000").click()
        assert '"event": "mail"' in Path(waiting.value.path()).read_text("utf-8")


def test_without_javascript(desk: Desk, mailbox: Mailbox, project: str) -> None:
    """Signing in, finding, deciding, checking and explaining need no script."""
    desk.bridge.issue(unknown_sender="hold")
    mailbox.append(mail("Quiet", sender=STRANGER))
    with desk.running():
        assert desk.service is not None
        desk.service.wait_for("mail")
        with desk.window(java_script_enabled=False) as page:
            page.get_by_role("link", name="Messages", exact=True).click()
            page.get_by_label("Subject").fill("quie")
            page.get_by_role("button", name="Search").click()
            page.get_by_label("Select mail 1").check()
            page.get_by_role("button", name="Accept held").click()
            expect(page.get_by_role("status")).to_contain_text("1: will be processed")
            desk.service.wait_for("mail", 2)
            assert ["Quiet"] == desk.subjects(project)

            page.goto(f"{desk.url}/mailboxes/support")
            page.get_by_role("button", name="Folders").click()
            again, found = page.get_by_role("link", name="Refresh"), page.locator(".checks")
            expect(again.or_(found).first).to_be_visible()
            while again.count():
                with page.expect_navigation():
                    again.click()
            expect(found).to_contain_text("Processed")

            page.goto(f"{desk.url}/explain")
            file = {"name": "a.eml", "mimeType": "message/rfc822", "buffer": mail("Why?", sender=ANNA)}
            page.get_by_label("Mail file (.eml)").set_input_files(file)
            page.get_by_role("button", name="Explain").click()
            expect(page.locator("#answer")).to_contain_text(f"new issue in {project}")
            assert ["Quiet"] == desk.subjects(project)


def test_the_tasks(desk: Desk, mailbox: Mailbox, project: str) -> None:
    """A changed task has another next run at once and keeps it; stopped, nothing is read, started and asked, it is."""
    desk.bridge.change({"tasks": {"receive": {"every": "1h"}}})
    with desk.running(), desk.window(timezone_id="Europe/Berlin") as page:
        page.goto(f"{desk.url}/tasks")
        row = page.get_by_role("row", name=re.compile("^receive"))
        expect(row).to_contain_text("every 1h")
        page.get_by_role("form", name="receive").get_by_label("Every").fill("2h")
        page.get_by_role("form", name="receive").get_by_role("button", name="Change").click()
        expect(row).to_contain_text("every 2h")
        expect(row).to_contain_text("settings file: every 1h")
        expect(row).to_contain_text("in 1 h", timeout=20_000)

        page.get_by_role("button", name="Stop").click()
        expect(page.get_by_text("Synchronization is stopped")).to_be_visible()
        mailbox.deliver(mail("While stopped", sender=ANNA))
        expect(row).to_contain_text("stopped")
        assert [] == desk.subjects(project)

        page.get_by_role("button", name="Start").click()
        page.get_by_role("button", name="Sync now").click()
        assert desk.service is not None
        desk.service.wait_for("mail")
        assert ["While stopped"] == desk.subjects(project)
        page.get_by_role("form", name="receive").get_by_role("button", name="Reset to the settings file").click()
        expect(row).to_contain_text("every 1h")
        expect(row).not_to_contain_text("settings file")

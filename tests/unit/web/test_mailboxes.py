"""Mailboxes, settings, checks, templates and explanations on pages."""

from pathlib import Path

import pytest
import responses
import tomlkit

from redmine_mailbridge.checks.result import Check
from redmine_mailbridge.errors import MailboxUnreachable
from redmine_mailbridge.outgoing.template_variables import KINDS
from redmine_mailbridge.store.health import REDMINE, SERVICE, of_mailbox
from redmine_mailbridge.store.pauses import MailboxPauses
from redmine_mailbridge.web import passwords
from redmine_mailbridge.web.background_jobs import AT_ONCE, BackgroundJobs
from tests.product import mail
from tests.unit.web.site import PASSWORD, Site, values
from tests.unit.web.site import REDMINE as URL


def test_the_state_of_each_mailbox(site: Site) -> None:
    """A mailbox that fails says so in the server's own words, and since when; one that is well says what it does."""
    site.sign_in()
    site.desk.health.note(SERVICE, None, "running")
    site.desk.health.note(of_mailbox("support"), None, "listening")
    site.desk.health.note(of_mailbox("sales"), "login refused: NO [AUTHENTICATIONFAILED] Wrong", "waiting to try again")
    for path in ("/", "/mailboxes"):
        page = site.browser.get(path).text
        assert "listening" in page
        assert "NO [AUTHENTICATIONFAILED] Wrong" in page
    assert "NO [AUTHENTICATIONFAILED] Wrong" in site.browser.get("/mailboxes/sales").text
    assert 404 == site.browser.get("/mailboxes/nobody").status_code


def test_what_does_not_run_is_said_first(site: Site) -> None:
    """The overview says when no service runs, and when Redmine is unavailable; and nothing of it when all is well."""
    site.sign_in()
    assert "The service is not running" in site.browser.get("/").text
    site.desk.health.note(SERVICE, None, "running")
    site.desk.health.note(REDMINE, "GET /users/current.json: no answer", "takes nothing")
    page = site.browser.get("/").text
    assert "not running" not in page
    assert "GET /users/current.json: no answer" in page
    site.desk.health.note(REDMINE, None, "answers")
    assert "Redmine does not accept mail" not in site.browser.get("/").text


@pytest.mark.fault("N1")
@pytest.mark.fault("N14")
def test_a_mailbox_that_is_paused(site: Site) -> None:
    """The overview says why the mail of a mailbox waits, beside that its reading goes well."""
    site.sign_in()
    row, pauses = site.keep(mail("Waits")), MailboxPauses(site.desk.store)
    pauses.pause("support", row.id, ["project desk is closed"], None)
    page = site.browser.get("/").text
    assert "Mailbox support is paused: its settings do not fit Redmine" in page
    assert "project desk is closed" in page
    pauses.end(["support"])
    assert "is paused" not in site.browser.get("/").text


def test_who_mails_whom(tmp_path: Path) -> None:
    """The overview says for each mailbox who acknowledges and who tells customers of notes, loudly when nobody does."""
    said = values()
    said["outgoing"] = {"host": "mail.example.com"}
    said["mailboxes"]["sales"]["answers"] = {"received": True, "notes": "public_notes"}
    file = tmp_path / "settings.toml"
    file.write_text(tomlkit.dumps(said), "utf-8")
    passwords.keep(tmp_path / "admin-password", PASSWORD)
    with Site.of(file) as site:
        site.sign_in()
        page = site.browser.get("/").text
        support, sales = page.index('id="box-1"'), page.index('id="box-2"')
        assert 3 == page[support:sales].count("<dd>no one</dd>")
        assert 1 == page[support:sales].count("Customers do not receive answers from agents.")
        assert (3, 0) == (page[sales:].count("<dd>the bridge</dd>"), page[sales:].count("Nobody tells customers"))


def test_settings_and_where_they_come_from(site: Site) -> None:
    """Each value stands with its origin, a secret only as set."""
    site.sign_in()
    box, others = site.browser.get("/mailboxes/sales").text, site.browser.get("/settings").text
    assert "sales@example.com" in box
    assert "settings.toml:" in box
    assert ">set<" in box
    assert "support@example.com" not in box
    assert "https://redmine.example.com" in others
    assert "do-not-show" not in box + others


def test_a_check_with_live_lines(site: Site, redmine: responses.RequestsMock) -> None:
    """A check shows what it finds as it finds it, a failure in the server's own words, and is written down."""
    site.sign_in()
    redmine.get(f"{URL}/users/current.json", status=401)
    answer = site.browser.post("/mailboxes/support/check")
    path = answer.headers["location"]
    assert path.startswith("/checks/")
    job = site.desk.jobs.get(path.removeprefix("/checks/"))
    assert job is not None
    assert job.ended.wait(60)
    page = site.browser.get(path).text

    assert "hx-trigger" not in page
    assert "mailbox support" in page
    assert "failed" in page
    assert ("admin", "check", "support") == next((x.who, x.action, x.detail) for x in site.desk.audit.lines())
    assert 404 == site.browser.get("/checks/unknown").status_code


def test_only_some_checks_at_once() -> None:
    """A few checks run at once; another has to wait. One that breaks off ends with the reason."""
    import threading

    jobs, gate = BackgroundJobs(), threading.Event()

    def waits() -> list[Check]:
        gate.wait(30)
        return []

    names = [jobs.start("x", waits) for _ in range(AT_ONCE)]
    assert None not in names
    assert jobs.start("one more", waits) is None
    gate.set()
    for name in names:
        job = jobs.get(name or "")
        assert job is not None
        assert job.ended.wait(30)

    def breaks() -> list[Check]:
        raise MailboxUnreachable("connection refused")

    broken = jobs.get(jobs.start("mailbox x", breaks) or "")
    assert broken is not None
    assert broken.ended.wait(30)
    assert [Check("mailbox x", False, "connection refused")] == broken.lines


def test_a_brake_is_released(site: Site) -> None:
    """The button lets a braked mailbox go on, and says so; one that has not stopped stays as it is."""
    site.sign_in()
    site.browser.post("/mailboxes/support/release")
    assert "support is not paused" in site.browser.get("/mailboxes/support").text
    site.desk.store.brake("sales", 3000)
    site.browser.post("/mailboxes/sales/release")
    assert (site.desk.store.released("sales") or 0) > 10**6
    assert site.desk.store.released("support") is None
    assert "sales resumes" in site.browser.get("/mailboxes/sales").text


@pytest.mark.parametrize("kind", KINDS)
def test_templates(site: Site, kind: str) -> None:
    """Each kind of mail is shown with made-up values, in each language, its HTML in a frame."""
    site.sign_in()
    for language in ("en", "de"):
        page = site.browser.get(f"/templates/{kind}?language={language}").text
        assert "body.txt" in page
        assert 'role="alert"' not in page
        frame = site.browser.get(f"/templates/{kind}/html?language={language}")
        assert "sandbox" in frame.headers["Content-Security-Policy"]
    assert kind in site.browser.get("/templates").text


def test_a_faulty_template(tmp_path: Path) -> None:
    """A template of one's own that is faulty is shown with what is wrong, instead of its mail."""
    file = tmp_path / "settings.toml"
    file.write_text(tomlkit.dumps(values() | {"outgoing": {"templates": "own"}}), "utf-8")
    folder = tmp_path / "own" / "received" / "en"
    folder.mkdir(parents=True)
    (folder / "subject.txt").write_text("x")
    (folder / "body.txt").write_text("{{ issue.id } oops")
    with Site.of(file) as site:
        passwords.keep(tmp_path / "admin-password", PASSWORD)
        site.sign_in()
        page = site.browser.get("/templates/received").text
    assert 'role="alert"' in page
    assert "body.txt" in page


def test_explain(site: Site, redmine: responses.RequestsMock) -> None:
    """A dropped mail is explained: the plan, its steps, the text; Redmine away is said, and nothing is kept."""
    site.sign_in()
    redmine.get(f"{URL}/users/current.json", status=503)
    files = {"mail": ("a.eml", mail("Printer", "It burns.\n"))}
    answer = site.browser.post("/explain", data={"mailbox": "support"}, files=files)
    assert (200, True) == (answer.status_code, 'role="alert"' in answer.text)
    assert {} == site.desk.statistics.states()

    nothing = site.browser.post("/explain", data={"mailbox": "support"}).text
    assert "Choose a mailbox and a file" in nothing

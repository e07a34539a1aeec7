"""The scheduled tasks on a page: seen, run, changed, stopped."""

import dataclasses
import datetime as dt

import pytest

from redmine_mailbridge.store.health import SERVICE, of_mailbox
from redmine_mailbridge.store.task_state import Override, TaskState
from tests.unit.web.site import Site


@pytest.fixture
def book(site: Site) -> TaskState:
    site.sign_in()
    return TaskState(site.desk.store.database, site.desk.store.clock)


def test_the_table(site: Site, book: TaskState) -> None:
    """Each task stands with its frequency, its last run and its result, and whether it kept its times."""
    now = site.desk.store.clock()
    run = book.begin("receive", now - 60)
    book.end(run, done=7, failed=1, error="support: login refused")
    page = site.browser.get("/tasks").text
    for words in (
        "receive",
        "update",
        "aggregate",
        "every 5m",
        "7 done",
        "support: login refused",
        "late, by up to 60 s",
    ):
        assert words in page


def test_a_change(site: Site, book: TaskState) -> None:
    """Frequency, activation and next run are changed, shown beside the file's value, written down, and reset."""
    site.browser.cookies.set("mailbridge_zone", "Europe/Berlin")
    form = {"every": "15m", "active": "off", "next_run": "2030-07-01T07:30"}
    assert "/tasks" == site.browser.post("/tasks/receive", data=form).headers["location"]
    at = dt.datetime(2030, 7, 1, 5, 30, tzinfo=dt.UTC).timestamp()
    assert {"receive": Override(active=False, every=900.0, next_run=at)} == book.overrides()

    page = site.browser.get("/tasks").text
    assert "every 15m" in page
    assert "settings file: every 5m" in page
    (line, *_) = site.desk.audit.lines()
    assert ("admin", "set") == (line.who, line.action)
    assert "every = 15m" in line.detail

    site.browser.post("/tasks/receive", data={"do": "reset"})
    assert {} == book.overrides()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"every": "15"}, "must be a time span"),
        ({"every": "6m", "cron": "* * * * *"}, "not both"),
        ({"cron": "never"}, "five fields are required"),
        ({"next_run": "tomorrow"}, "Not a valid time: tomorrow"),
    ],
)
def test_what_makes_no_sense(site: Site, book: TaskState, form: dict[str, str], words: str) -> None:
    """A change that makes no sense is refused with the reason, and nothing changes."""
    answer = site.browser.post("/tasks/receive", data=form)
    assert (400, True) == (answer.status_code, words in answer.text)
    assert {} == book.overrides()
    assert 400 == site.browser.post("/tasks/recieve", data={"every": "5m"}).status_code


def test_stop_and_start(site: Site, book: TaskState) -> None:
    """The whole synchronisation is stopped and started, which is said on the pages and written down."""
    site.browser.post("/tasks/switch", data={"do": "stop"})
    assert book.stopped
    for path in ("/", "/tasks"):
        assert "Synchronization is stopped" in site.browser.get(path).text
    site.browser.post("/tasks/switch", data={"do": "start"})
    assert not book.stopped
    site.browser.post("/tasks/switch", data={"do": "nonsense"})
    assert ["start", "stop"] == [line.action for line in site.desk.audit.lines()][:2]


@pytest.mark.parametrize("name", ["receive", "aggregate", "receive:sales"])
def test_run_now(site: Site, book: TaskState, name: str) -> None:
    """A task, or one mailbox, is asked for now; what there is not is refused."""
    site.browser.post("/tasks/run", data={"task": name, "back": "/"})
    assert [name] == book.take_requests()
    site.browser.post("/tasks/run", data={"task": "receive:nobody"})
    assert [] == book.take_requests()


def test_a_decision_hurries_its_mailbox(site: Site, book: TaskState) -> None:
    """What was decided about a mail happens at once in its mailbox, unless all is stopped."""
    from redmine_mailbridge.model.mail_state import State

    row = site.keep(b"Subject: x\n\nx", mailbox="sales")
    site.desk.store.finish(row.id, State.HELD, "unknown")
    book.stop()
    site.browser.post("/messages/decide", data={"decision": "retry", "id": str(row.id)})
    assert [] == book.take_requests()
    book.start()
    site.browser.post("/messages/decide", data={"decision": "retry", "id": str(row.id)})
    assert ["receive:sales"] == book.take_requests()


@pytest.mark.fault("N12")
def test_a_change_of_nothing(site: Site, book: TaskState) -> None:
    """*Change* with nothing typed says that nothing was changed, changes nothing, and writes nothing down."""
    lines = len(site.desk.audit.lines())
    site.browser.post("/tasks/receive", data={"every": "", "cron": "", "next_run": "", "active": ""})
    page = site.browser.get("/tasks").text
    assert "Nothing was changed: receive runs as before." in page
    assert "receive is changed" not in page
    assert ({}, lines) == (book.overrides(), len(site.desk.audit.lines()))


@pytest.mark.fault("N12")
def test_forms_start_with_the_present_values(site: Site, book: TaskState) -> None:
    """Each form holds the values in force, and to send it as it stands changes nothing."""
    book.override("receive", lambda old: dataclasses.replace(old, cron="*/7 * * * *", active=False, next_run=1.9e9))
    page = site.browser.get("/tasks").text
    form = page[page.index('action="/tasks/receive"') :].partition("</form>")[0]
    for field in ('value="*/7 * * * *"', 'value="2030-03-17T17:46"', '<option value="off" selected>'):
        assert field in form
    before = book.overrides()
    form_as_it_stands = {"every": "", "cron": "*/7 * * * *", "next_run": "2030-03-17T17:46", "active": "off"}
    site.browser.post("/tasks/receive", data=form_as_it_stands)
    assert before == book.overrides()
    assert "Nothing was changed" in site.browser.get("/tasks").text
    site.browser.post("/tasks/receive", data=form_as_it_stands | {"every": "9m", "cron": ""})
    assert (540.0, None) == (book.overrides()["receive"].every, book.overrides()["receive"].cron)


@pytest.mark.fault("N12")
@pytest.mark.parametrize(("stopped", "words"), [(True, "stopped"), (False, "no service")])
def test_what_does_not_work_is_not_shown_as_listening(
    site: Site, book: TaskState, *, stopped: bool, words: str
) -> None:
    """While all is stopped, or no service runs, no page says that a mailbox listens."""
    if stopped:
        site.desk.health.note(SERVICE, None, "running")
        book.stop()
    site.desk.health.note(of_mailbox("support"), None, "listening")
    for path in ("/", "/mailboxes", "/mailboxes/support"):
        page = site.browser.get(path).text
        assert "listening" not in page
        assert f">{words}</span>" in page


@pytest.mark.fault("N12")
def test_held_and_stopped_are_two_words_in_german(site: Site, book: TaskState) -> None:
    """A mail that is held is "zurückgehalten", the synchronisation "gestoppt": never both the same word."""
    site.browser.headers["Accept-Language"] = "de"
    book.stop()
    page = site.browser.get("/").text
    assert "zurückgehalten" in page
    assert "gestoppt" in page
    assert "angehalten" not in page

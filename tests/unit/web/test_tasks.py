"""The scheduled tasks on a page: seen, run, changed, stopped."""

import datetime as dt

import pytest

from redmine_mailbridge.store.task_state import Override, TaskBook
from tests.unit.web.site import Site


@pytest.fixture
def book(site: Site) -> TaskBook:
    site.sign_in()
    return TaskBook(site.desk.store.database, site.desk.store.clock)


def test_the_table(site: Site, book: TaskBook) -> None:
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


def test_a_change(site: Site, book: TaskBook) -> None:
    """Frequency, activation and next run are changed, shown beside the file's value, written down, and reset."""
    site.browser.cookies.set("mailbridge_zone", "Europe/Berlin")
    form = {"every": "15m", "active": "off", "next_run": "2030-07-01T07:30"}
    assert "/tasks" == site.browser.post("/tasks/receive", data=form).headers["location"]
    at = dt.datetime(2030, 7, 1, 5, 30, tzinfo=dt.UTC).timestamp()
    assert {"receive": Override(active=False, every=900.0, next_run=at)} == book.overrides()

    page = site.browser.get("/tasks").text
    assert "every 15m" in page
    assert "the file says: every 5m" in page
    (line, *_) = site.desk.audit.lines()
    assert ("admin", "set") == (line.who, line.action)
    assert "every = 0:15:00" in line.detail

    site.browser.post("/tasks/receive", data={"do": "reset"})
    assert {} == book.overrides()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"every": "15"}, "must be a span of time"),
        ({"every": "5m", "cron": "* * * * *"}, "not both"),
        ({"cron": "never"}, "five fields are needed"),
        ({"next_run": "tomorrow"}, "That is no time: tomorrow"),
    ],
)
def test_what_makes_no_sense(site: Site, book: TaskBook, form: dict[str, str], words: str) -> None:
    """A change that makes no sense is refused with the reason, and nothing changes."""
    answer = site.browser.post("/tasks/receive", data=form)
    assert (400, True) == (answer.status_code, words in answer.text)
    assert {} == book.overrides()
    assert 400 == site.browser.post("/tasks/recieve", data={"every": "5m"}).status_code


def test_stop_and_start(site: Site, book: TaskBook) -> None:
    """The whole synchronisation is stopped and started, which is said on the pages and written down."""
    site.browser.post("/tasks/switch", data={"do": "stop"})
    assert book.stopped
    for path in ("/", "/tasks"):
        assert "The synchronisation is stopped." in site.browser.get(path).text
    site.browser.post("/tasks/switch", data={"do": "start"})
    assert not book.stopped
    site.browser.post("/tasks/switch", data={"do": "nonsense"})
    assert ["start", "stop"] == [line.action for line in site.desk.audit.lines()][:2]


@pytest.mark.parametrize("name", ["receive", "aggregate", "receive:sales"])
def test_run_now(site: Site, book: TaskBook, name: str) -> None:
    """A task, or one mailbox, is asked for now; what there is not is refused."""
    site.browser.post("/tasks/run", data={"task": name, "back": "/"})
    assert [name] == book.take_wishes()
    site.browser.post("/tasks/run", data={"task": "receive:nobody"})
    assert [] == book.take_wishes()


def test_a_decision_hurries_its_mailbox(site: Site, book: TaskBook) -> None:
    """What was decided about a mail happens at once in its mailbox, unless all is stopped."""
    from redmine_mailbridge.model.mail_state import State

    row = site.keep(b"Subject: x\n\nx", mailbox="sales")
    site.desk.store.end(row.id, State.HELD, "unknown")
    book.stop()
    site.browser.post("/messages/decide", data={"decision": "retry", "id": str(row.id)})
    assert [] == book.take_wishes()
    book.start()
    site.browser.post("/messages/decide", data={"decision": "retry", "id": str(row.id)})
    assert ["receive:sales"] == book.take_wishes()

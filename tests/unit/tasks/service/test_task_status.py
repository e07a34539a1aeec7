"""What is in force for a task: the settings file, and what was changed while running above it."""

import datetime as dt
from pathlib import Path

import pytest

from redmine_mailbridge.cli.task_list import lines
from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import Override, TaskBook
from redmine_mailbridge.tasks.service.task_status import Change, change, known_task, overview, parse_time, plans, reset

TEXT = """
[redmine]
text_format = "common_mark"
url = "https://redmine.example.com"
api_key = "k"
[tasks.receive]
every = "15m"
[mailboxes.desk]
address = "desk@example.com"
host = "mail.example.com"
password = "p"
issue = { project = "support" }
[mailboxes.sales]
address = "sales@example.com"
host = "mail.example.com"
password = "p"
every = "1m"
issue = { project = "sales" }
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of two mailboxes, one with an interval of its own."""
    path = tmp_path / "settings.toml"
    path.write_text(TEXT)
    return load(path, {})


@pytest.fixture
def book(store: Store) -> TaskBook:
    """The tasks' part of a fresh store."""
    return TaskBook(store.database, store.clock)


def test_the_file_says_when_tasks_run(settings: Settings) -> None:
    """Receive every 15 minutes as written, update after it, aggregate hourly; a mailbox may have its own times."""
    found = {name: plan.frequency for name, plan in plans(settings, {}).items()}
    expected = {"receive": "every 15m", "update": "after each receive", "aggregate": "every 1h"}
    assert expected | {"receive:sales": "every 1m"} == found


def test_a_change_stands_above_the_file_and_is_shown_beside_it(settings: Settings, book: TaskBook) -> None:
    """What `tasks set` and `pause` change counts, with the file's value beside it, until it is reset."""
    change(book, "receive", Change(cron="0 8 * * 1-5"))
    change(book, "receive", Change(active=False))
    plan = plans(settings, book.overrides())["receive"]
    assert ("cron 0 8 * * 1-5", False) == (plan.frequency, plan.active)
    assert {"frequency": "every 15m", "active": "active"} == plan.overridden
    change(book, "receive", Change(every=dt.timedelta(minutes=2)))
    assert (120.0, None) == (book.overrides()["receive"].every, book.overrides()["receive"].cron)
    reset(book, "receive")
    assert {} == plans(settings, book.overrides())["receive"].overridden


def test_another_process_sees_that_something_changed(book: TaskBook) -> None:
    """Each change, wish, stop and start makes the revision grow; a wish is taken once; a stop is remembered."""
    seen = [book.revision()]
    for act in (lambda: change(book, "update", Change(active=True)), lambda: book.wish("receive"), book.stop):
        act()
        seen.append(book.revision())
    assert sorted(set(seen)) == seen
    assert (True, ["receive"], []) == (book.stopped, book.take_wishes(), book.take_wishes())
    book.start()
    assert not book.stopped


def test_a_next_run_counts_once(settings: Settings, book: TaskBook) -> None:
    """A next run that was asked for is in force until it came; then the frequency counts again."""
    at = dt.datetime(2026, 12, 1, 7, 0, tzinfo=dt.UTC)
    change(book, "aggregate", Change(next_run=at))
    assert at == plans(settings, book.overrides())["aggregate"].next_run
    book.next_run_came("aggregate")
    assert Override() == book.overrides().get("aggregate", Override())


def test_the_list_tells_whether_times_were_kept(settings: Settings, store: Store, book: TaskBook) -> None:
    """A run that came late and one that was left out are counted and explained; the last result is shown."""
    now = store.clock()
    book.end(book.begin("receive", now), done=3, failed=0, error=None)
    book.end(book.begin("receive", now - 60), done=0, failed=1, error="desk: connection refused")
    book.skip("receive", now, "the run before it was still going")
    view = overview(settings, store)[0]
    assert not view.is_kept
    assert view.kept.startswith("1 on time, 1 late, by up to 60 s")
    assert "1 left out" in view.kept
    text = "\n".join(lines(view, dt.datetime.now(dt.UTC)))
    assert "0 done, 1 failed: desk: connection refused" in text
    assert "no service" in text


@pytest.mark.fault("S4")
def test_a_run_by_hand_is_a_run(settings: Settings, store: Store, book: TaskBook) -> None:
    """A task that was only asked for by hand has run, yet not by its times: the list says both, and no more."""
    assert "no run yet" == overview(settings, store)[0].kept
    book.end(book.begin("receive", None), done=1, failed=0, error=None)
    view = overview(settings, store)[0]
    text = "\n".join(lines(view, dt.datetime.now(dt.UTC)))
    assert "1 done" in text
    assert "no run yet" not in text
    assert "kept: no run by its times in the last day" in text
    assert view.is_kept


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Change(every=dt.timedelta(minutes=1), cron="* * * * *"), "not both"),
        (Change(cron="* * * *"), "five fields"),
        (Change(every=dt.timedelta(0)), "longer than 0s"),
        (Change(next_run=dt.datetime(2020, 1, 1, 7, 0, tzinfo=dt.UTC)), "2020-01-01 07:00.* is past"),
    ],
)
def test_a_wish_that_makes_no_sense_changes_nothing(book: TaskBook, wrong: Change, said: str) -> None:
    """A wrong change is refused with the reason, and nothing is kept of it."""
    with pytest.raises(SettingsError, match=said):
        change(book, "receive", wrong)
    assert {} == book.overrides()


def test_a_wrong_name_or_time_is_told_with_what_was_meant(settings: Settings) -> None:
    """An unknown task gets the likely name, a wrong time an example."""
    with pytest.raises(SettingsError, match='did you mean "update"'):
        known_task("updaet", settings)
    with pytest.raises(SettingsError, match="2026-12-01 07:00"):
        parse_time("--next-run", "tomorrow")

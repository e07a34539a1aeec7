"""What is in force for a task: the settings file, and what was changed while running above it."""

import datetime as dt
from pathlib import Path

import pytest

from redmine_mailbridge.cli.task_list import lines
from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import Override, TaskState
from redmine_mailbridge.tasks.service.task_status import (
    TaskChange,
    change,
    known_task,
    overview,
    parse_span_or_say,
    parse_time,
    plans,
    reset,
)

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
def book(store: Store) -> TaskState:
    """The tasks' part of a fresh store."""
    return TaskState(store.database, store.clock)


def test_the_file_says_when_tasks_run(settings: Settings) -> None:
    """Receive every 15 minutes as written, update after it, aggregate hourly; a mailbox may have its own times."""
    found = {name: plan.frequency for name, plan in plans(settings, {}).items()}
    expected = {"receive": "every 15m", "update": "after each receive", "aggregate": "every 1h"}
    assert expected | {"receive:sales": "every 1m"} == found


def test_a_change_stands_above_the_file_and_is_shown_beside_it(settings: Settings, book: TaskState) -> None:
    """What `tasks set` and `pause` change counts, with the file's value beside it, until it is reset."""
    change(book, "receive", TaskChange(cron="0 8 * * 1-5"))
    change(book, "receive", TaskChange(active=False))
    plan = plans(settings, book.overrides())["receive"]
    assert ("cron 0 8 * * 1-5", False) == (plan.frequency, plan.active)
    assert {"frequency": "every 15m", "active": "active"} == plan.overridden
    change(book, "receive", TaskChange(every=dt.timedelta(minutes=2)))
    assert (120.0, None) == (book.overrides()["receive"].every, book.overrides()["receive"].cron)
    reset(book, "receive")
    assert {} == plans(settings, book.overrides())["receive"].overridden


def test_another_process_sees_that_something_changed(book: TaskState) -> None:
    """Each change, wish, stop and start makes the revision grow; a wish is taken once; a stop is remembered."""
    seen = [book.revision()]
    for act in (
        lambda: change(book, "update", TaskChange(active=True)),
        lambda: book.request_run("receive"),
        book.stop,
    ):
        act()
        seen.append(book.revision())
    assert sorted(set(seen)) == seen
    assert (True, ["receive"], []) == (book.stopped, book.take_requests(), book.take_requests())
    book.start()
    assert not book.stopped


def test_a_next_run_counts_once(settings: Settings, book: TaskState) -> None:
    """A next run that was asked for is in force until it came; then the frequency counts again."""
    at = dt.datetime(2026, 12, 1, 7, 0, tzinfo=dt.UTC)
    change(book, "aggregate", TaskChange(next_run=at))
    assert at == plans(settings, book.overrides())["aggregate"].next_run
    book.next_run_came("aggregate")
    assert Override() == book.overrides().get("aggregate", Override())


def test_the_list_tells_whether_times_were_kept(settings: Settings, store: Store, book: TaskState) -> None:
    """A run that came late and one that was left out are counted and explained; the last result is shown."""
    now = store.clock()
    book.end(book.begin("receive", now), done=3, failed=0, error=None)
    book.end(book.begin("receive", now - 60), done=0, failed=1, error="desk: connection refused")
    book.skip("receive", now, "the run before it was still going")
    view = overview(settings, store, book)[0]
    assert not view.is_kept
    assert view.on_schedule.startswith("1 on time, 1 late, by up to 60 s")
    assert "1 left out" in view.on_schedule
    text = "\n".join(lines(view, dt.datetime.now(dt.UTC)))
    assert "0 done, 1 failed: desk: connection refused" in text
    assert "no service" in text


@pytest.mark.fault("S4")
def test_a_run_by_hand_is_a_run(settings: Settings, store: Store, book: TaskState) -> None:
    """A task that was only asked for by hand has run, yet not by its times: the list says both, and no more."""
    assert "no run yet" == overview(settings, store, book)[0].on_schedule
    book.end(book.begin("receive", None), done=1, failed=0, error=None)
    view = overview(settings, store, book)[0]
    text = "\n".join(lines(view, dt.datetime.now(dt.UTC)))
    assert "1 done" in text
    assert "no run yet" not in text
    assert "on schedule: no scheduled run in the last day" in text
    assert view.is_kept


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (TaskChange(every=dt.timedelta(minutes=1), cron="* * * * *"), "not both"),
        (TaskChange(cron="* * * *"), "five fields"),
        (TaskChange(every=dt.timedelta(0)), "longer than 0s"),
        (TaskChange(next_run=dt.datetime(2020, 1, 1, 7, 0, tzinfo=dt.UTC)), "2020-01-01 07:00.* is past"),
    ],
)
def test_a_wish_that_makes_no_sense_changes_nothing(book: TaskState, wrong: TaskChange, said: str) -> None:
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


def test_how_a_change_is_recorded() -> None:
    """The record of a change names what was set, in words of the command line, and nothing else."""
    at = dt.datetime(2026, 12, 1, 7, 0, tzinfo=dt.UTC)
    assert "active = no, every = 15m, next run = 2026-12-01 07:00+00:00" == str(
        TaskChange(active=False, every=dt.timedelta(minutes=15), next_run=at)
    )
    assert "active = yes, cron = 0 8 * * *" == str(TaskChange(active=True, cron="0 8 * * *"))


def test_the_state_of_a_task(settings: Settings, store: Store, book: TaskState) -> None:
    """While the service runs, a task waits, runs or is paused; all are stopped by `stop`."""

    def states() -> dict[str, str]:
        return {view.plan.name: view.state for view in overview(settings, store, book)}

    lock = store.lock("service")
    lock.guard(store.database)
    try:
        change(book, "aggregate", TaskChange(active=False))
        run = book.begin("receive", None)
        assert ("running", "waiting", "paused") == tuple(states()[name] for name in ("receive", "update", "aggregate"))
        book.end(run, done=0, failed=0, error=None)
        assert "waiting" == states()["receive"]
        book.stop()
        assert {"stopped"} == set(states().values())
    finally:
        lock.release()


def test_spans_and_times_of_the_command_line() -> None:
    """A span and a time are read as people write them; a wrong span is refused with its option."""
    assert dt.timedelta(minutes=15) == parse_span_or_say("--every", "15m")
    assert dt.datetime(2026, 12, 1, 7, 0, tzinfo=dt.UTC) == parse_time("--next-run", "2026-12-01 07:00+00:00")
    with pytest.raises(SettingsError, match='--every "soon": '):
        parse_span_or_say("--every", "soon")

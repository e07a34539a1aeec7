"""A run that somebody asks for comes, whatever else is going on."""

import datetime as dt
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.tasks.service.task_runner import TaskRunner
from redmine_mailbridge.tasks.service.task_status import plans

TEXT = """
[redmine]
text_format = "common_mark"
url = "https://redmine.example.com"
api_key = "k"
[tasks.receive]
active = false
[mailboxes.desk]
address = "desk@example.com"
host = "mail.example.com"
password = "p"
issue = { project = "support" }
"""


class Work:
    """The tasks' work: each run is told, and waits to be let go."""

    def __init__(self) -> None:
        self.began: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.go = {name: threading.Semaphore(0) for name in ("receive", "update", "aggregate")}

    def __call__(self, name: str) -> TaskStepResult:
        self.began.put(name)
        assert self.go[name].acquire(timeout=30)
        return TaskStepResult()


@pytest.fixture
def book(store: Store) -> TaskState:
    """The tasks' part of a fresh store."""
    return TaskState(store.database, store.clock)


@pytest.fixture
def work() -> Work:
    """Work that waits."""
    return Work()


@pytest.fixture
def runner(tmp_path: Path, book: TaskState, work: Work) -> Iterator[TaskRunner]:
    """A runner under way, in which nothing runs by itself but aggregate, once."""
    path = tmp_path / "settings.toml"
    path.write_text(TEXT)
    settings, stop = load(path, {}), threading.Event()
    made = TaskRunner(book, lambda: plans(settings, book.overrides()), work, lambda _plans, _stopped: None, stop)
    made.start()
    assert "aggregate" == work.began.get(timeout=30)
    work.go["aggregate"].release()
    yield made
    stop.set()
    made.stop()
    for one in work.go.values():
        one.release(100)


@pytest.mark.usefixtures("runner")
def test_asked_for_while_the_update_behind_it_runs(book: TaskState, work: Work) -> None:
    """Who asks for `receive` while the update of the last one asked for still runs gets a run of their own."""
    book.request_run("receive")
    assert "receive" == work.began.get(timeout=30)
    work.go["receive"].release()
    assert "update" == work.began.get(timeout=30)
    book.request_run("receive")
    assert "receive" == work.began.get(timeout=30)


@pytest.mark.usefixtures("runner")
def test_asked_for_while_it_runs(book: TaskState, work: Work) -> None:
    """Who asks while the task runs gets one run behind it, however many ask."""
    book.request_run("update")
    assert "update" == work.began.get(timeout=30)
    book.request_run("update")
    work.go["update"].release()
    assert "update" == work.began.get(timeout=30)
    work.go["update"].release()
    while len(ended := [run for run in book.runs("update") if run.ended_at is not None]) < 2:
        threading.Event().wait(0.02)
    assert 2 == len(ended)
    assert work.began.empty()


class Clock:
    """Seconds that are put forward by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.fault("P17-2")
def test_the_update_does_not_wait_for_mail(tmp_path: Path, book: TaskState, work: Work) -> None:
    """At the defaults an agent's answer waits half a minute at most, be there mail or not; an update that has run
    meanwhile counts, and one that is paused, or has times of its own, is left alone.
    """
    path = tmp_path / "settings.toml"
    path.write_text(TEXT.replace("[mailboxes", "[tasks.aggregate]\nactive = false\n[mailboxes"))
    settings, stop, clock = load(path, {}), threading.Event(), Clock()
    runner = TaskRunner(
        book, lambda: plans(settings, book.overrides()), work, lambda _plans, _stopped: None, stop, clock=clock
    )
    runner.start()
    for _ in range(2):
        clock.now += 31
        runner.scheduler.turn()
        assert "update" == work.began.get(timeout=10)
        work.go["update"].release()
    book.override("update", lambda old: replace(old, active=False))
    runner._look()
    clock.now += 31
    runner.scheduler.turn()
    stop.set()
    runner.stop()
    runner.wait()
    assert work.began.empty()


class Failing:
    """Work that ends in an error, then in none."""

    def __init__(self, error: Exception) -> None:
        self.errors = [error]

    def __call__(self, _name: str) -> TaskStepResult:
        if self.errors:
            raise self.errors.pop()
        return TaskStepResult(2)


def offline(tmp_path: Path, book: TaskState, work: Callable[[str], TaskStepResult]) -> TaskRunner:
    """A runner that starts nothing by itself."""
    path = tmp_path / "settings.toml"
    path.write_text(TEXT)
    settings = load(path, {})
    return TaskRunner(
        book, lambda: plans(settings, book.overrides()), work, lambda _plans, _stopped: None, threading.Event()
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RedmineUnavailable("GET /issues.json: 502"), "GET /issues.json: 502"),
        (ValueError("a customer's words"), "internal error (ValueError"),
    ],
)
def test_a_task_that_fails(tmp_path: Path, book: TaskState, error: Exception, said: str) -> None:
    """Whatever ends a run, its record says so, without words of a customer, and the next run is made."""
    runner = offline(tmp_path, book, Failing(error))
    assert str(runner.run("aggregate", None).error).startswith(said)
    assert TaskStepResult(2) == runner.run("aggregate", None)
    newest, failed = book.runs("aggregate")
    assert (None, 2) == (newest.error, newest.done)
    assert said in str(failed.error)
    assert "customer" not in str(failed.error)


def test_the_store_is_away(tmp_path: Path, store: Store, book: TaskState) -> None:
    """While the store cannot be read, a run ends with that, requests stay for later, and all goes on afterwards."""
    runner = offline(tmp_path, book, lambda _name: TaskStepResult(1))
    book.request_run("aggregate")
    for old, new in (("task_run", "away"), ("away", "task_run")):
        with store.database.write() as db:
            db.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")
        result = runner.run("aggregate", None)
        runner._left_out("aggregate", dt.datetime(2026, 12, 1, tzinfo=dt.UTC))
        assert (new == "away") == (result.error is not None)
    assert [True, False] == [run.skipped for run in book.runs("aggregate")]
    assert ["aggregate"] == book.take_requests()


def test_a_run_that_takes_longer_than_its_interval(tmp_path: Path, book: TaskState) -> None:
    """A run that is left out since the one before it still goes on stands in the list; what is no task does not."""
    runner = offline(tmp_path, book, lambda _name: TaskStepResult(1))
    runner._apply()
    at = dt.datetime(2026, 12, 1, 7, 0, tzinfo=dt.UTC)
    for name in ("aggregate", "pulse"):
        runner._left_out(name, at)
    (run,) = book.runs("aggregate")
    assert (True, at.timestamp()) == (run.skipped, run.planned_at)
    assert [] == book.runs("pulse")


def test_no_run_after_the_stop(tmp_path: Path, book: TaskState) -> None:
    """When the service stops, a run that waited for its turn is not begun."""
    runner = offline(tmp_path, book, lambda _name: TaskStepResult(1))
    runner._stop.set()
    assert TaskStepResult() == runner.run("receive", None)
    assert [] == book.runs("receive")

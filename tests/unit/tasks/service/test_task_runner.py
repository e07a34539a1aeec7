"""A run that somebody asks for comes, whatever else is going on."""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.model.task_result import StationResult
from redmine_mailbridge.settings.load import load
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import TaskBook
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

    def __call__(self, name: str) -> StationResult:
        self.began.put(name)
        assert self.go[name].acquire(timeout=30)
        return StationResult()


@pytest.fixture
def book(store: Store) -> TaskBook:
    """The tasks' part of a fresh store."""
    return TaskBook(store.database, store.clock)


@pytest.fixture
def work() -> Work:
    """Work that waits."""
    return Work()


@pytest.fixture
def runner(tmp_path: Path, book: TaskBook, work: Work) -> Iterator[TaskRunner]:
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
def test_asked_for_while_the_update_behind_it_runs(book: TaskBook, work: Work) -> None:
    """Who asks for `receive` while the update of the last one asked for still runs gets a run of their own."""
    book.wish("receive")
    assert "receive" == work.began.get(timeout=30)
    work.go["receive"].release()
    assert "update" == work.began.get(timeout=30)
    book.wish("receive")
    assert "receive" == work.began.get(timeout=30)


@pytest.mark.usefixtures("runner")
def test_asked_for_while_it_runs(book: TaskBook, work: Work) -> None:
    """Who asks while the task runs gets one run behind it, however many ask."""
    book.wish("update")
    assert "update" == work.began.get(timeout=30)
    book.wish("update")
    work.go["update"].release()
    assert "update" == work.began.get(timeout=30)
    work.go["update"].release()
    while len(ended := [run for run in book.runs("update") if run.ended_at is not None]) < 2:
        threading.Event().wait(0.02)
    assert 2 == len(ended)
    assert work.began.empty()

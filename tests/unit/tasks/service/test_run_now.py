"""`tasks run`: the task runs at once, in the service where one is running, and its result is what is told."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from redmine_mailbridge.errors import AlreadyRunning
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.tasks.service.run_now import run_now
from redmine_mailbridge.wiring import application as app
from redmine_mailbridge.wiring.store import open_store, task_book
from tests.helpdesk import BOB, HelpDesk, Post, help_desk, post, writes

KIM = "kim@client.example"


@pytest.fixture(scope="module")
def server() -> Iterator[Post]:
    with post() as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Post) -> Iterator[HelpDesk]:
    server.taken.clear()
    server.answers.clear()
    with help_desk(tmp_path / "desk", monkeypatch, server) as made:
        made.turn()
        yield made


def run(desk: HelpDesk, name: str, *, wait: float = 60.0) -> TaskStepResult:
    """Run a task as `tasks run` does."""
    settings = Settings.model_validate(desk.values)
    return run_now(lambda: app.build(settings), lambda: open_store(settings), task_book, name, wait=wait)


def runs(desk: HelpDesk) -> list[tuple[str, int, int, str | None]]:
    """The runs that were asked for, oldest first: task, done, failed, error."""
    with desk.application() as made:
        book = TaskState(made.store.database, made.store.clock)
        every = [(run.id, name, run) for name in ("receive", "update", "aggregate") for run in book.runs(name)]
        return [(name, run.done, run.failed, run.error) for _, name, run in sorted(every, key=lambda one: one[0])]


def test_receive(desk: HelpDesk) -> None:
    """Mail is received, the update that follows each receive is made, and what they queued is sent; the list of tasks
    shows both runs.
    """
    desk.mail(writes(KIM))
    result = run(desk, "receive")
    assert (1, None) == (result.done, result.error)
    assert [KIM] == [to for to, _ in desk.post.taken]
    assert ["receive", "update"] == [name for name, *_ in runs(desk)]


def test_update(desk: HelpDesk) -> None:
    """What agents wrote is mailed at once."""
    desk.mail(writes(KIM))
    desk.turn()
    desk.post.taken.clear()
    desk.redmine.writes(1, BOB, "We look at it.")
    assert TaskStepResult(1) == run(desk, "update")
    assert [KIM] == [to for to, _ in desk.post.taken]


def test_an_update_that_was_paused(desk: HelpDesk) -> None:
    """While the update is paused, a customer's reply waits; the update that is asked for makes it a note."""
    desk.mail(writes(KIM, Message_ID="<first@client.example>"))
    desk.turn()
    desk.change({"tasks": {"update": {"active": False}}})
    desk.mail(writes(KIM, "Re: Printer", "And?", In_Reply_To="<first@client.example>"))
    run(desk, "receive")
    assert ["receive"] == [name for name, *_ in runs(desk)]
    assert [] == desk.redmine.issues[1]["journals"]
    run(desk, "update")
    (note,) = desk.redmine.issues[1]["journals"]
    assert note["notes"].endswith("And?")


def test_aggregate(desk: HelpDesk) -> None:
    """Figures are computed; nothing is received or sent with them."""
    desk.mail(writes(KIM))
    desk.turn()
    desk.post.taken.clear()
    desk.mail(writes("lee@client.example"))
    assert (1, None) == ((result := run(desk, "aggregate")).done, result.error)
    assert ([], 1) == (desk.post.taken, len(desk.redmine.issues))


def test_redmine_is_away(desk: HelpDesk) -> None:
    """What fails is the result, stands in the list of tasks, and leaves the store free for the next run."""
    desk.mail(writes(KIM))
    desk.turn()
    desk.redmine.down = True
    result = run(desk, "update")
    assert "answers: " in str(result.error)
    assert ("update", 0, 0, result.error) == runs(desk)[-1]
    desk.redmine.down = False
    assert None is run(desk, "update").error


def test_the_service_runs_it(desk: HelpDesk) -> None:
    """While the service runs, it is asked, and its result is told; where it does not get to it, that is said."""
    with desk.application() as made:
        lock = made.store.lock("service")
        lock.guard(made.store.database)
        try:
            with pytest.raises(AlreadyRunning, match="asked to run update; it is not done after 0 s"):
                run(desk, "update", wait=0.5)
            book = TaskState(made.store.database, made.store.clock)
            assert {"update"} == set(book.take_requests())

            def serve() -> None:
                while not book.take_requests():
                    threading.Event().wait(0.02)
                book.end(book.begin("update", None), done=3, failed=1, error="away")

            service = threading.Thread(target=serve)
            service.start()
            assert TaskStepResult(3, 1, "away") == run(desk, "update")
            service.join()
        finally:
            lock.release()

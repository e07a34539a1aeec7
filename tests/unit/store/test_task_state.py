"""What is changed of the tasks while they run, and their runs."""

from dataclasses import replace

import pytest

from redmine_mailbridge.store import task_state
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import Override, TaskRun, TaskState
from tests.clocks import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tasks(store: Store, clock: Clock) -> TaskState:
    return TaskState(store.database, clock)


def test_each_change_and_each_request_raises_the_revision(tasks: TaskState) -> None:
    assert 0 == tasks.revision()
    tasks.stop()
    assert (1, True) == (tasks.revision(), tasks.stopped)
    tasks.start()
    assert (2, False) == (tasks.revision(), tasks.stopped)
    tasks.override("update", lambda old: replace(old, active=False))
    tasks.request_run("update")
    assert 4 == tasks.revision()


def test_what_is_changed_of_a_task_stays_until_nothing_is_changed(tasks: TaskState) -> None:
    assert Override(active=False) == tasks.override("update", lambda old: replace(old, active=False))
    tasks.override("aggregate", lambda old: replace(old, cron="0 6 * * *"))
    changed = tasks.override("update", lambda old: replace(old, every=90.0, next_run=7.0))
    assert Override(active=False, every=90.0, next_run=7.0) == changed
    assert {"update": changed, "aggregate": Override(cron="0 6 * * *")} == tasks.overrides()
    tasks.override("update", lambda _: Override())
    assert {"aggregate"} == tasks.overrides().keys()


def test_a_next_run_that_came_leaves_the_other_changes(tasks: TaskState) -> None:
    tasks.override("update", lambda old: replace(old, active=True, next_run=7.0))
    tasks.override("aggregate", lambda old: replace(old, next_run=8.0))
    tasks.next_run_came("update")
    assert {"update": Override(active=True), "aggregate": Override(next_run=8.0)} == tasks.overrides()
    revision = tasks.revision()
    tasks.next_run_came("update")
    tasks.next_run_came("receive:support")
    assert revision == tasks.revision()


def test_runs_that_are_asked_for_are_taken_once_in_their_order(tasks: TaskState, clock: Clock) -> None:
    for name in ("update", "aggregate", "update"):
        tasks.request_run(name)
        clock.now += 1
    assert ["update", "aggregate"] == tasks.take_requests()
    assert [] == tasks.take_requests()


def test_a_run_is_noted_from_its_beginning_to_its_end(tasks: TaskState, clock: Clock) -> None:
    began = clock.now
    first, other = tasks.begin("update", None), tasks.begin("aggregate", 5.0)
    assert [TaskRun(first, "update", None, began, None, 0, 0, skipped=False, error=None)] == tasks.runs("update")
    clock.now += 3
    tasks.end(first, done=4, failed=1, error="no answer")
    tasks.skip("update", 9.0, "the one before still runs")
    skipped, ended = tasks.runs("update")
    assert TaskRun(first, "update", None, began, clock.now, 4, 1, skipped=False, error="no answer") == ended
    assert (
        TaskRun(skipped.id, "update", 9.0, clock.now, clock.now, 0, 0, skipped=True, error="the one before still runs")
        == skipped
    )
    assert [skipped] == tasks.runs("update", limit=1)
    (running,) = tasks.runs("aggregate")
    assert (other, 5.0, None) == (running.id, running.planned_at, running.ended_at)


def test_only_the_last_runs_of_a_task_are_remembered(tasks: TaskState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_state, "KEPT_RUNS", 3)
    tasks.begin("aggregate", None)
    numbers = [tasks.begin("update", None) for _ in range(5)]
    assert list(reversed(numbers[2:])) == [run.id for run in tasks.runs("update")]
    assert 1 == len(tasks.runs("aggregate"))


def test_when_each_task_runs_next_is_what_the_service_said_last(tasks: TaskState) -> None:
    tasks.plan_next("update", 5.0)
    tasks.plan_next("aggregate", 6.0)
    tasks.plan_next("update", None)
    assert {"update": None, "aggregate": 6.0} == tasks.next_runs()

"""The update task: one station after the other."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.tasks.update.update import Updater


@dataclass(frozen=True)
class Made:
    """A station of one function."""

    name: str
    work: Callable[[threading.Event], TaskStepResult]

    def once(self, stop: threading.Event) -> TaskStepResult:
        return self.work(stop)


def away(_stop: threading.Event) -> TaskStepResult:
    raise RedmineUnavailable("connection refused")


def test_one_fault_ends_one_station() -> None:
    """A station that cannot go on says so by its name, and the next one works all the same."""
    fine = Made("rules", lambda _stop: TaskStepResult(done=2, failed=1))
    result = Updater([Made("answers", away), fine]).once(threading.Event())
    assert TaskStepResult(done=2, failed=1, error="answers: connection refused") == result


def test_a_stop_starts_no_other_station() -> None:
    """After the stop sign no further station begins."""
    stop = threading.Event()

    def stopping(sign: threading.Event) -> TaskStepResult:
        sign.set()
        return TaskStepResult(done=1)

    result = Updater([Made("replies", stopping), Made("answers", away)]).once(stop)
    assert TaskStepResult(done=1) == result

"""The update task: processes existing issues, step by step.

replies    customers' replies that waited for this task become notes
reports    issues show which agents' notes were sent, and which wait for a limit
answers    agents' notes are sent by mail
rules      time-based rules remind, close or escalate
"""

import threading
from collections.abc import Sequence
from typing import Protocol

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)


class UpdateStep(Protocol):
    """One kind of work of the update task."""

    @property
    def name(self) -> str:
        """One word for lists and logs."""

    def once(self, stop: threading.Event) -> TaskStepResult:
        """Run until finished or until `stop` is set. An internal error may be in the result or be raised."""


class Updater:
    """Runs the steps in order; an error ends only its own step."""

    def __init__(self, steps: Sequence[UpdateStep]) -> None:
        self._steps = steps

    def once(self, stop: threading.Event) -> TaskStepResult:
        """Run all steps. Return the sum of their results, with the first error and its step."""
        result = TaskStepResult()
        for step in self._steps:
            if stop.is_set():
                break
            try:
                step_result = step.once(stop)
            except MailbridgeError as error:
                step_result = TaskStepResult(error=str(error))
            except Exception as error:  # noqa: BLE001 - the boundary of a step: the others still run
                log.error("update.fault", step=step.name, kind=type(error).__name__, where=where(error))  # noqa: TRY400 - no local values
                step_result = TaskStepResult(error=fault(error))
            if step_result.error:
                log.warning("update.interrupted", step=step.name, reason=step_result.error)
            result = result.and_also(step_result, step.name)
        return result

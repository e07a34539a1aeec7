"""The result of one run of a task, or of a step of it."""

from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class TaskStepResult:
    """The result of one step (or a whole task): counts, and the error that ended it early."""

    done: int = 0
    failed: int = 0
    error: str | None = None

    def and_also(self, other: "TaskStepResult", name: str) -> "TaskStepResult":
        """This combined with another step's result; the first error is kept, with the step's name."""
        error = self.error or (f"{name}: {other.error}" if other.error else None)
        return TaskStepResult(self.done + other.done, self.failed + other.failed, error)

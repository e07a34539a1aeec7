"""Wires the scheduled tasks: when each runs, and what it does. Only `app` uses it."""

import threading
from collections.abc import Callable, Sequence

from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.tasks.receive.held_replies import ReplyHold
from redmine_mailbridge.tasks.service.service import ServiceTasks
from redmine_mailbridge.tasks.service.task_status import plans
from redmine_mailbridge.tasks.update.update import UpdateStep


def scheduled(
    settings: Settings,
    store: Store,
    steps: Sequence[UpdateStep],
    replies: ReplyHold,
    *,
    aggregate: Callable[[threading.Event], TaskStepResult],
) -> ServiceTasks:
    """The scheduled tasks: when each runs, and what it does."""
    book = TaskState(store.database, store.clock)
    return ServiceTasks(
        book=book,
        plans=lambda: plans(settings, book.overrides()),
        steps=steps,
        aggregate=aggregate,
        replies=replies,
        together=[name for name, box in settings.active_mailboxes.items() if box.every is None],
    )

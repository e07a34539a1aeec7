"""Wires the scheduled tasks: when each runs, and what it does. Only `app` uses it."""

import threading
from collections.abc import Callable, Sequence

from redmine_mailbridge.model.task_result import StationResult
from redmine_mailbridge.settings.models import Settings
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import TaskBook
from redmine_mailbridge.tasks.receive.held_replies import ReplyGate
from redmine_mailbridge.tasks.service.service import Tasks
from redmine_mailbridge.tasks.service.task_status import plans
from redmine_mailbridge.tasks.update.update import Station


def scheduled(
    settings: Settings,
    store: Store,
    stations: Sequence[Station],
    replies: ReplyGate,
    *,
    aggregate: Callable[[threading.Event], StationResult],
) -> Tasks:
    """The scheduled tasks: when each runs, and what it does."""
    book = TaskBook(store.database, store.clock)
    return Tasks(
        book=book,
        plans=lambda: plans(settings, book.overrides()),
        stations=stations,
        aggregate=aggregate,
        replies=replies,
        together=[name for name, box in settings.active_mailboxes.items() if box.every is None],
    )

"""Runs a task on request: in the service if one is running, otherwise in this process."""

import time
from collections.abc import Callable, Collection
from typing import Protocol

from redmine_mailbridge.errors import AlreadyRunning, MailbridgeError
from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.outgoing.outbox_sender import OutboxSender
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import TaskState
from redmine_mailbridge.tasks.receive.held_replies import HeldReplies
from redmine_mailbridge.tasks.receive.receiver import Receiver, SharedResources
from redmine_mailbridge.tasks.service.service import ServiceTasks, receive_once, received
from redmine_mailbridge.tasks.service.task_status import is_running
from redmine_mailbridge.tasks.update.update import Updater

LOOK = 0.3
"""Seconds between two checks for the service's result."""


class OfflineWorker(Protocol):
    """Does the work when no service is running: the wired application."""

    store: Store
    shared: SharedResources
    tasks: ServiceTasks
    sending: OutboxSender
    receivers: tuple[Receiver, ...]

    def close(self) -> None:
        """Close what is open."""


def run_now(
    build: Callable[[], OfflineWorker],
    open_store: Callable[[], Store],
    book_of: Callable[[Store], TaskState],
    name: str,
    *,
    wait: float,
) -> TaskStepResult:
    """Given a task's name, run it now and return its result. Raise AlreadyRunning when the service takes too long."""
    store = open_store()
    try:
        if is_running(store):
            return ask_service(book_of(store), name, wait=wait)
    finally:
        store.close()
    worker = build()
    try:
        lock = worker.store.lock("service")
        lock.guard(worker.store.database)
        try:
            return _here(worker, name)
        finally:
            lock.release()
    finally:
        worker.close()


def ask_service(book: TaskState, name: str, *, wait: float) -> TaskStepResult:
    """Request a run from the service and wait for its result. Raise AlreadyRunning after `wait` seconds."""
    before = max((run.id for run in book.runs(name, limit=1)), default=0)
    book.request_run(name)
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        for run in book.runs(name, limit=3):
            if run.id > before and run.planned_at is None and run.ended_at is not None:
                return TaskStepResult(run.done, run.failed, run.error)
        time.sleep(LOOK)
    raise AlreadyRunning(f"the service was asked to run {name}; it is not done after {wait:.0f} s: see `tasks list`")


def _here(worker: OfflineWorker, name: str) -> TaskStepResult:
    book, tasks = worker.tasks.book, worker.tasks
    run = book.begin(name, None)
    try:
        result = _work(worker, name)
    except MailbridgeError as error:
        result = TaskStepResult(error=str(error))
    book.end(run, done=result.done, failed=result.failed, error=result.error)
    plan = tasks.plans()["update"]
    if name.startswith("receive") and plan.active and plan.runs_after_receive:
        result = result.and_also(_here(worker, "update"), "update")
    return result


def _work(worker: OfflineWorker, name: str) -> TaskStepResult:
    """One run, in this process."""
    tasks, stop = worker.tasks, worker.shared.stop
    plan = tasks.plans()["update"]
    tasks.replies.closed = not (plan.active and plan.runs_after_receive)
    mailbox = name.partition(":")[2]

    def of(names: Collection[str]) -> tuple[Receiver, ...]:
        return tuple(receiver for receiver in worker.receivers if set(receiver.names) & set(names))

    if name == "update":
        steps = (HeldReplies(worker.store, lambda names: receive_once(of(names))), *tasks.steps)
        result = Updater(steps).once(stop)
    elif name == "aggregate":
        return tasks.aggregate(stop)
    else:
        result = received(receive_once(of([mailbox] if mailbox else tasks.together)))
    sent = worker.sending.once()
    worker.sending.save_copies()
    return result.and_also(TaskStepResult(error=sent.error), "sending")

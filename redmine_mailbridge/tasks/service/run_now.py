"""Runs a task because somebody asked: in the service if there is one, else here."""

import time
from collections.abc import Callable, Collection
from typing import Protocol

from redmine_mailbridge.errors import AlreadyRunning, MailbridgeError
from redmine_mailbridge.model.task_result import StationResult
from redmine_mailbridge.outgoing.outbox_sender import Sending
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.task_state import TaskBook
from redmine_mailbridge.tasks.receive.held_replies import Replies
from redmine_mailbridge.tasks.receive.receiver import Receiver, Shared
from redmine_mailbridge.tasks.service.service import Tasks, receive_once, received
from redmine_mailbridge.tasks.service.task_status import is_running
from redmine_mailbridge.tasks.update.update import Updater

LOOK = 0.3
"""Seconds between two looks for the service's result."""


class Worker(Protocol):
    """What does the work when no service runs: the wired application."""

    store: Store
    shared: Shared
    tasks: Tasks
    sending: Sending
    receivers: tuple[Receiver, ...]

    def close(self) -> None:
        """Close what is open."""


def run_now(build: Callable[[], Worker], open_store: Callable[[], Store], name: str, *, wait: float) -> StationResult:
    """Given a task's name, run it now and return what it did. Raise AlreadyRunning when the service takes too long."""
    store = open_store()
    try:
        if is_running(store):
            return ask_service(TaskBook(store.database, store.clock), name, wait=wait)
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


def ask_service(book: TaskBook, name: str, *, wait: float) -> StationResult:
    """Ask the service for a run, and wait for its end. Raise AlreadyRunning when that takes longer than `wait`."""
    before = max((run.id for run in book.runs(name, limit=1)), default=0)
    book.wish(name)
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        for run in book.runs(name, limit=3):
            if run.id > before and run.planned_at is None and run.ended_at is not None:
                return StationResult(run.done, run.failed, run.error)
        time.sleep(LOOK)
    raise AlreadyRunning(f"the service was asked to run {name}; it is not done after {wait:.0f} s: see `tasks list`")


def _here(worker: Worker, name: str) -> StationResult:
    book, tasks = worker.tasks.book, worker.tasks
    run = book.begin(name, None)
    try:
        result = _work(worker, name)
    except MailbridgeError as error:
        result = StationResult(error=str(error))
    book.end(run, done=result.done, failed=result.failed, error=result.error)
    plan = tasks.plans()["update"]
    if name.startswith("receive") and plan.active and plan.follows:
        result = result.and_also(_here(worker, "update"), "update")
    return result


def _work(worker: Worker, name: str) -> StationResult:
    """One run, in this process."""
    tasks, stop = worker.tasks, worker.shared.stop
    plan = tasks.plans()["update"]
    tasks.replies.closed = not (plan.active and plan.follows)
    mailbox = name.partition(":")[2]

    def of(names: Collection[str]) -> tuple[Receiver, ...]:
        return tuple(one for one in worker.receivers if set(one.names) & set(names))

    if name == "update":
        stations = (Replies(worker.store, lambda names: receive_once(of(names))), *tasks.stations)
        result = Updater(stations).once(stop)
    elif name == "aggregate":
        return tasks.aggregate(stop)
    else:
        result = received(receive_once(of([mailbox] if mailbox else tasks.together)))
    sent = worker.sending.once()
    return result.and_also(StationResult(error=sent.error), "sending")

"""Replies that wait for the update task: held back while it has times of its own or is paused, let through by it."""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from redmine_mailbridge.model.task_result import StationResult
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.receiver import PassResult


@dataclass(slots=True)
class ReplyGate:
    """Whether a reply that is received waits for the update task (`closed`) or becomes a note at once."""

    closed: bool = False


class Replies:
    """The first station of update: lets the waiting replies through, and has their mailboxes make a pass."""

    name = "replies"

    def __init__(self, store: Store, receive: Callable[[Collection[str]], Sequence[PassResult]]) -> None:
        self._store = store
        self._receive = receive

    def once(self, stop: threading.Event) -> StationResult:
        """Let through what waits, and see it to its end. Return how many."""
        del stop  # whoever receives watches it
        waiting = self._store.let_replies_through()
        if not waiting:
            return StationResult()
        errors = [f"{result.mailbox}: {result.error}" for result in self._receive(waiting.keys()) if result.error]
        return StationResult(sum(waiting.values()), len(errors), errors[0] if errors else None)

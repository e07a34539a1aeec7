"""Replies that wait for the update task: held while it has its own schedule or is paused, and released by it."""

import threading
from collections.abc import Callable, Collection, Sequence

from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.receiver import PassResult
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(slots=True)
class ReplyHold:
    """Whether a reply that is received waits for the update task (`closed`) or becomes a note at once."""

    closed: bool = False


class HeldReplies:
    """The first step of the update task: releases the waiting replies and requests a pass of their mailboxes."""

    name = "replies"

    def __init__(self, store: Store, receive: Callable[[Collection[str]], Sequence[PassResult]]) -> None:
        self._store = store
        self._receive = receive

    def once(self, stop: threading.Event) -> TaskStepResult:
        """Release the waiting replies and process them. Return their number."""
        del stop  # the receivers check it
        waiting = self._store.release_replies()
        if not waiting:
            return TaskStepResult()
        errors = [f"{result.mailbox}: {result.error}" for result in self._receive(waiting.keys()) if result.error]
        return TaskStepResult(sum(waiting.values()), len(errors), errors[0] if errors else None)

"""Replies that wait for the update task are released by it, and their mailboxes are read then."""

import threading
from collections.abc import Collection

from redmine_mailbridge.model.task_result import TaskStepResult
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.tasks.receive.held_replies import HeldReplies
from redmine_mailbridge.tasks.receive.receiver import PassResult
from tests.unit.store.kept import keep


def test_the_mailboxes_of_the_replies_that_waited_are_read_once(store: Store) -> None:
    """How many were released is counted; the first mailbox that fails is named; nothing waits, nothing is read."""
    asked: list[list[str]] = []

    def receive(names: Collection[str]) -> list[PassResult]:
        asked.append(sorted(names))
        return [PassResult(name, error="no route" if name != "desk" else None) for name in sorted(names)]

    step = HeldReplies(store, receive)
    assert TaskStepResult() == step.once(threading.Event())
    assert [] == asked

    for uid, mailbox in enumerate(["desk", "desk", "sales", "support"]):
        store.hold_reply(keep(store, uid, mailbox), "waits")
    assert [] == [row for box in ("desk", "sales", "support") for row in store.due(box)]
    assert TaskStepResult(4, 2, "sales: no route") == step.once(threading.Event())
    assert [["desk", "sales", "support"]] == asked
    assert [2, 1, 1] == [len(store.due(box)) for box in ("desk", "sales", "support")]
    assert TaskStepResult() == step.once(threading.Event())


def test_replies_that_were_written_are_no_error(store: Store) -> None:
    """A pass that went through leaves no error in the task's result."""
    store.hold_reply(keep(store, 1, "desk"), "waits")
    step = HeldReplies(store, lambda names: [PassResult(name) for name in names])
    assert TaskStepResult(1, 0, None) == step.once(threading.Event())

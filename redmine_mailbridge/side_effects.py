"""The boundaries between side effects, by name.

Whatever the bridge changes outside its own memory happens inside `with effect(Effect.X):`. That is all this
module does for the product; for its tests it is the list of places where a process can die. The crash suite
kills the process before and after each of them, and a test fails when code changes something outside an effect.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Literal


class Effect(StrEnum):
    """Every side effect in the life of a mail, in the order in which it meets them."""

    MAKE_FOLDER = "make_folder"
    KEEP_RAW = "keep_raw"
    KEEP_ROW = "keep_row"
    RECORD_INTENT = "record_intent"
    CREATE_USER = "create_user"
    UPLOAD = "upload"
    CREATE_ISSUE = "create_issue"
    ADD_NOTE = "add_note"
    RECORD_DONE = "record_done"
    ADD_WATCHER = "add_watcher"
    ADD_RELATION = "add_relation"
    RECORD_STEP = "record_step"
    DEFER = "defer"
    MOVE = "move"
    RECORD_FILED = "record_filed"
    MIRROR = "mirror"
    INTEND_RULE = "intend_rule"
    RECORD_RULE = "record_rule"
    QUEUE_MAIL = "queue_mail"
    SEND_MAIL = "send_mail"
    RECORD_SENT = "record_sent"
    STEER = "steer"
    REMOVE_RAW = "remove_raw"
    FORGET_RAW = "forget_raw"
    RECORD_HOURS = "record_hours"
    WRITE_FIELD = "write_field"


Moment = Literal["before", "after"]
_watchers: list[Callable[[Effect, Moment], None]] = []


def watch(watcher: Callable[[Effect, Moment], None]) -> None:
    """Given a callable, call it at each boundary from now on, in the thread that stands there."""
    _watchers.append(watcher)


@contextmanager
def effect(which: Effect) -> Iterator[None]:
    """Mark the body as one side effect: it happens once, whole, and nothing else of its kind beside it."""
    for watcher in _watchers:
        watcher(which, "before")
    yield
    for watcher in _watchers:
        watcher(which, "after")

"""The boundaries between side effects, by name.

Every change that the bridge makes outside its own memory happens inside `with side_effect(SideEffect.X):`. That is all
this module does for the product; for its tests it is the list of points at which a process can crash. The crash suite
kills the process before and after each of them, and a test fails when code changes something outside an effect.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Literal


class SideEffect(StrEnum):
    """Every side effect in the life of a message, in the order of processing."""

    DELIVER = "deliver"
    MAKE_FOLDER = "make_folder"
    KEEP_RAW = "keep_raw"
    KEEP_PART = "keep_part"
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
    BEGIN_CONVERSATION = "begin_conversation"
    INTEND_RULE = "intend_rule"
    RECORD_RULE = "record_rule"
    QUEUE_MAIL = "queue_mail"
    MAKE_DRAFT = "make_draft"
    SEND_MAIL = "send_mail"
    RECORD_SENT = "record_sent"
    SAVE_SENT = "save_sent"
    STEER = "steer"
    REMOVE_RAW = "remove_raw"
    FORGET_RAW = "forget_raw"
    MOVE_RAW = "move_raw"
    RECORD_HOURS = "record_hours"
    WRITE_FIELD = "write_field"


Moment = Literal["before", "after"]
_watchers: list[Callable[[SideEffect, Moment], None]] = []


def watch(watcher: Callable[[SideEffect, Moment], None]) -> None:
    """Register a callable that is called at each boundary from now on, in the thread that reaches it."""
    _watchers.append(watcher)


@contextmanager
def side_effect(which: SideEffect) -> Iterator[None]:
    """Mark the body as one side effect: it happens once, completely, and without another effect of its kind."""
    for watcher in _watchers:
        watcher(which, "before")
    yield
    for watcher in _watchers:
        watcher(which, "after")

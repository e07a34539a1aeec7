"""Keeps the mails of one conversation in order while several mails are in hand at once."""

import threading
from collections.abc import Collection
from concurrent.futures import Future
from typing import Generic, TypeVar

from redmine_mailbridge.mail.message import Message

T = TypeVar("T")


class Conversations(Generic[T]):
    """Knows, for each identifier of a conversation, the newest work that is in hand for it.

    Work must be submitted in the order in which it entered: then each waits only for what started before it,
    and nothing waits in a circle.
    """

    def __init__(self) -> None:
        self._newest: dict[str, Future[T]] = {}
        self._lock = threading.Lock()

    def enter(self, identifiers: Collection[str], work: Future[T]) -> tuple[Future[T], ...]:
        """Given the identifiers of a mail's conversation and its work, return the unfinished work to wait for."""
        with self._lock:
            before = {self._newest[key] for key in identifiers if key in self._newest}
            for key in identifiers:
                self._newest[key] = work
        return tuple(earlier for earlier in before if not earlier.done())

    def leave(self, identifiers: Collection[str], work: Future[T]) -> None:
        """The work is done: forget it wherever nothing newer has taken its place."""
        with self._lock:
            for key in identifiers:
                if self._newest.get(key) is work:
                    del self._newest[key]


def identifiers(message: Message) -> frozenset[str]:
    """Given a message, return what ties it to its conversation: Message-IDs, content, and an issue in the subject."""
    found = {message.message_id, *message.in_reply_to, *message.references, f"content:{message.content_key}"}
    start = message.subject.rfind("#")
    if start >= 0:
        found.add(f"subject:{message.subject[start : start + 12]}")
    found.add(f"sender:{message.sender.key}:{message.subject}")
    return frozenset(found)

"""Keeps the mails of one conversation in order while several mails are in hand at once."""

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

from redmine_mailbridge.mail.message import Message

T = TypeVar("T")


class Conversations(Generic[T]):
    """Knows, for each identifier of a conversation, the newest work that is in hand for it.

    Work starts in the order in which it was submitted, and waits only for what was submitted before it, so that
    nothing waits in a circle.
    """

    def __init__(self) -> None:
        self._newest: dict[str, Future[T]] = {}
        self._lock = threading.Lock()

    def submit(
        self, pool: Executor, identifiers: Collection[str], work: Callable[[Collection[Future[T]]], T]
    ) -> Future[T]:
        """Given the identifiers of a mail's conversation, have the pool call `work` with what it has to wait for."""
        with self._lock:
            before = {self._newest[key] for key in identifiers if key in self._newest}
            future = pool.submit(work, before)
            for key in identifiers:
                self._newest[key] = future
        future.add_done_callback(lambda done: self._leave(identifiers, done))
        return future

    def _leave(self, identifiers: Collection[str], work: Future[T]) -> None:
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

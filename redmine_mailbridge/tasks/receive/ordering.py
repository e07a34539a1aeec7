"""Keeps the mails of one conversation in order while several mails are in hand at once."""

import threading
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

from redmine_mailbridge.model.mail import Message

T = TypeVar("T")


class Conversations(Generic[T]):
    """Knows, for each identifier of a conversation, the newest work that is in hand for it.

    Work starts in the order in which it was submitted, and waits only for what was submitted before it, so that
    nothing waits in a circle. What waits takes no thread of the pool: a hundred mails of one conversation keep no other
    from its turn.
    """

    def __init__(self) -> None:
        self._newest: dict[str, Future[T]] = {}
        self._lock = threading.Lock()
        self._not_taken: deque[Callable[[], None]] = deque()
        """What a pool did not take any more: whichever of its threads is still at work does it."""

    def submit(
        self, pool: Executor, identifiers: Collection[str], work: Callable[[Collection[Future[T]]], T]
    ) -> Future[T]:
        """Given the identifiers of a mail's conversation, have the pool call `work` with what came before it there, all
        of which has ended. Return the result to come.
        """
        future: Future[T] = Future()
        with self._lock:
            before = {self._newest[key] for key in identifiers if key in self._newest}
            for key in identifiers:
                self._newest[key] = future
        future.add_done_callback(lambda done: self._leave(identifiers, done))
        left = [*before, None]  # the last one stands for this call

        def one_less() -> bool:
            with self._lock:
                left.pop()
                return not left

        def begin() -> None:
            _do(work, before, future)

        for earlier in before:
            earlier.add_done_callback(lambda _done: self._next(pool, begin) if one_less() else None)
        if one_less():
            try:
                pool.submit(self._run, begin)
            except RuntimeError as error:
                future.set_exception(error)
        return future

    def _next(self, pool: Executor, work: Callable[[], None]) -> None:
        """In the thread that has done what this work waited for: give it to the pool, or do it behind that, where the
        pool is about to end.
        """
        try:
            pool.submit(self._run, work)
        except RuntimeError:
            self._not_taken.append(work)

    def _run(self, work: Callable[[], None]) -> None:
        """In a thread of the pool."""
        work()
        while self._not_taken:
            try:
                more = self._not_taken.popleft()
            except IndexError:  # another thread was quicker
                return
            more()

    def _leave(self, identifiers: Collection[str], work: Future[T]) -> None:
        with self._lock:
            for key in identifiers:
                if self._newest.get(key) is work:
                    del self._newest[key]


def _do(work: Callable[[Collection[Future[T]]], T], before: Collection[Future[T]], future: Future[T]) -> None:
    """Work, and tell what came of it."""
    try:
        result = work(before)
    except BaseException as error:  # noqa: BLE001 - it is whoever asks for the result who is told
        future.set_exception(error)
    else:
        future.set_result(result)


def identifiers(message: Message) -> frozenset[str]:
    """Given a message, return what ties it to its conversation: Message-IDs, content, and an issue in the subject."""
    found = {message.message_id, *message.answered, f"content:{message.content_key}"}
    start = message.subject.rfind("#")
    if start >= 0:
        found.add(f"subject:{message.subject[start : start + 12]}")
    found.add(f"sender:{message.sender.key}:{message.subject}")
    return frozenset(found)

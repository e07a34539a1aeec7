"""Keeps the mails of a conversation in order while several mails are processed in parallel."""

import threading
from collections import deque
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from typing import Generic, TypeVar

from redmine_mailbridge.model.mail import Message

T = TypeVar("T")


class ConversationOrder(Generic[T]):
    """Records the latest submitted work for each identifier of a conversation.

    Work starts in the order of submission and waits only for earlier work, so a deadlock is impossible. Waiting work
    occupies no thread of the pool: a hundred mails of one conversation do not delay others.
    """

    def __init__(self) -> None:
        self._newest: dict[str, Future[T]] = {}
        self._lock = threading.Lock()
        self._not_taken: deque[Callable[[], None]] = deque()
        """Work that a closing pool did not accept: one of its remaining threads does it."""

    def submit(
        self, pool: Executor, identifiers: Collection[str], work: Callable[[Collection[Future[T]]], T]
    ) -> Future[T]:
        """Given the identifiers of a mail's conversation, have the pool call `work` with the earlier work of that
        conversation, after all of it has ended. Return a future of the result.
        """
        future: Future[T] = Future()
        with self._lock:
            before = {self._newest[key] for key in identifiers if key in self._newest}
            for key in identifiers:
                self._newest[key] = future
        future.add_done_callback(lambda done: self._leave(identifiers, done))
        pending = [*before, None]  # None is this call

        def one_less() -> bool:
            with self._lock:
                pending.pop()
                return not pending

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
        """Submit the work to the pool; if the pool is closing, run it in this thread, which has just finished the work
        that it waited for.
        """
        try:
            pool.submit(self._run, work)
        except RuntimeError:
            self._not_taken.append(work)

    def _run(self, work: Callable[[], None]) -> None:
        """Runs in a thread of the pool."""
        work()
        while self._not_taken:
            try:
                more = self._not_taken.popleft()
            except IndexError:  # another thread has taken it
                return
            more()

    def _leave(self, identifiers: Collection[str], work: Future[T]) -> None:
        with self._lock:
            for key in identifiers:
                if self._newest.get(key) is work:
                    del self._newest[key]


def _do(work: Callable[[Collection[Future[T]]], T], before: Collection[Future[T]], future: Future[T]) -> None:
    """Do the work and set the result of the future."""
    try:
        result = work(before)
    except BaseException as error:  # noqa: BLE001 - it is raised to whoever reads the result
        future.set_exception(error)
    else:
        future.set_result(result)


def identifiers(message: Message) -> frozenset[str]:
    """Given a message, return what identifies its conversation: Message-IDs, content, and an issue in the subject."""
    keys = {message.message_id, *message.answered, f"content:{message.content_key}"}
    start = message.subject.rfind("#")
    if start >= 0:
        keys.add(f"subject:{message.subject[start : start + 12]}")
    keys.add(f"sender:{message.sender.key}:{message.subject}")
    return frozenset(keys)

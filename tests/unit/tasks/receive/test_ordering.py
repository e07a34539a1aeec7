"""Mails of one conversation are worked on in their order, others side by side."""

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import pytest

from redmine_mailbridge.mail.parse import parse
from redmine_mailbridge.tasks.receive.ordering import ConversationOrder, identifiers
from tests.product import mail, message_id_of


def waits(before: Collection[Future[int]]) -> None:
    for one in before:
        one.exception()


def test_order_within_a_conversation() -> None:
    """Work that shares an identifier runs in the order in which it was submitted, however many threads there are."""
    done: list[int] = []
    conversations: ConversationOrder[int] = ConversationOrder()

    def work(number: int) -> Callable[[Collection[Future[int]]], int]:
        def run(before: Collection[Future[int]]) -> int:
            waits(before)
            done.append(number)
            return number

        return run

    with ThreadPoolExecutor(8) as pool:
        for number in range(200):
            conversations.submit(pool, {"same", str(number)}, work(number))

    assert list(range(200)) == done


def test_side_by_side() -> None:
    """Work that shares nothing does not wait for each other."""
    conversations: ConversationOrder[int] = ConversationOrder()
    both = threading.Barrier(2, timeout=10)

    def run(before: Collection[Future[int]]) -> int:
        waits(before)
        both.wait()
        return 1

    with ThreadPoolExecutor(2) as pool:
        made = [conversations.submit(pool, {name}, run) for name in ("a", "b")]

    assert [1, 1] == [future.result() for future in made]


def test_a_failure_stops_nobody() -> None:
    """Work whose forerunner fails runs all the same, and nothing is remembered of work that is over."""
    conversations: ConversationOrder[int] = ConversationOrder()

    def fail(_before: Collection[Future[int]]) -> int:
        raise ValueError

    def run(before: Collection[Future[int]]) -> int:
        waits(before)
        return len(before)

    with ThreadPoolExecutor(2) as pool:
        first = conversations.submit(pool, {"a"}, fail)
        second = conversations.submit(pool, {"a", "b"}, run)
        assert isinstance(first.exception(), ValueError)
        assert second.result() in (0, 1)

    assert {} == conversations._newest


@pytest.mark.fault("A11-D3")
def test_many_mails_of_one_conversation() -> None:
    """A device that says the same again and again, each mail of which waits for the one before, holds up nobody."""
    conversations: ConversationOrder[int] = ConversationOrder()
    go_on, other = threading.Event(), threading.Event()

    def slow(before: Collection[Future[int]]) -> int:
        waits(before)
        go_on.wait(20)
        return 1

    def quick(_before: Collection[Future[int]]) -> int:
        other.set()
        return 1

    with ThreadPoolExecutor(4) as pool:
        alarms = [conversations.submit(pool, {"alarm"}, slow) for _ in range(100)]
        conversations.submit(pool, {"a question"}, quick)
        came = other.wait(5)
        go_on.set()

    assert came
    assert [1] * 100 == [one.result() for one in alarms]


def test_a_pool_that_has_ended() -> None:
    """What is given to a pool that has ended is told so at once, and nobody waits for it."""
    conversations: ConversationOrder[int] = ConversationOrder()
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    work = conversations.submit(pool, {"a"}, lambda _before: 1)
    assert isinstance(work.exception(5), RuntimeError)
    assert {} == conversations._newest


class ByHand(Executor):
    """Does its work when it is told to, in the thread that tells it."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        work: Future[Any] = Future()
        self.waiting.append(lambda: work.set_result(fn(*args, **kwargs)))
        return work


def test_work_that_ends_leaves_the_place_to_its_successor() -> None:
    """A mail waits for the one right before it, also when an earlier one of the conversation has ended meanwhile."""
    pool, seen = ByHand(), []
    conversations: ConversationOrder[int] = ConversationOrder()

    def run(before: Collection[Future[int]]) -> int:
        seen.append(set(before))
        return 1

    conversations.submit(pool, {"same"}, run)
    second = conversations.submit(pool, {"same"}, run)
    pool.waiting.pop(0)()
    conversations.submit(pool, {"same"}, run)
    for work in pool.waiting:
        work()

    assert {second} == seen[2]
    assert {} == conversations._newest


def test_what_ties_mails_together() -> None:
    """A reply, a copy, the same issue in the subject, and the same sender with the same subject share an identifier."""
    first = mail("Start")
    start = identifiers(parse(first))

    def tied(raw: bytes) -> bool:
        return bool(start & identifiers(parse(raw)))

    assert tied(mail("Re: Start", sender="b@example.net", In_Reply_To=message_id_of(first)))
    assert tied(mail("Other", sender="b@example.net", References=f"<a@b> {message_id_of(first)}"))
    assert tied(first)
    assert tied(mail("Start", "Other words.\n"))
    assert not tied(mail("Other"))
    assert not tied(mail("Part"))
    by_number = identifiers(parse(mail("[X #12] a", sender="a@example.net")))
    assert by_number & identifiers(parse(mail("Re: [X #12] a", sender="b@example.net")))
    assert not by_number & identifiers(parse(mail("Re: [X #13] a", sender="b@example.net")))
    first = identifiers(parse(mail("#12 a", sender="a@example.net")))
    assert first & identifiers(parse(mail("Re: #12 a", sender="b@example.net")))
    assert not first & identifiers(parse(mail("#13 a", sender="b@example.net")))

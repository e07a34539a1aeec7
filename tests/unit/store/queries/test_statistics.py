"""What the store holds, in numbers."""

import datetime as dt

import pytest

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.queries.statistics import (
    Day,
    Ignored,
    Latencies,
    MailboxCounts,
    OutboxCounts,
    Statistics,
)
from tests.clocks import Clock
from tests.unit.store.kept import keep, make, put

NOON = dt.datetime(2026, 5, 20, 12, 0, tzinfo=dt.UTC)
STATES = (State.STORED, State.WRITE_PENDING, State.HELD, State.HELD, State.REJECTED, State.FAILED, State.DONE)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON.timestamp())


@pytest.fixture
def steady() -> Clock:
    return Clock(0.0)


@pytest.fixture
def figures(store: Store, steady: Clock) -> Statistics:
    return Statistics(store.database, steady)


def test_what_of_each_mailbox_waits_is_held_or_has_failed(store: Store, figures: Statistics, clock: Clock) -> None:
    for uid, state in enumerate(STATES):
        put(store, keep(store, uid), state)
    clock.now += 5
    put(store, keep(store, 1, "sales"), State.DONE)
    keep(store, 1, "other")
    expected = {
        "support": MailboxCounts(waiting=2, held=2, rejected=1, failed=1, last_mail=clock.now - 5),
        "sales": MailboxCounts(0, 0, 0, 0, clock.now),
        "empty": MailboxCounts(0, 0, 0, 0, None),
    }
    assert expected == figures.mailbox_counts(["support", "sales", "empty"])


def test_each_day_has_what_came_on_it_by_what_became_of_it(store: Store, figures: Statistics, clock: Clock) -> None:
    zone = dt.timezone(dt.timedelta(hours=2))
    for uid, state in enumerate(STATES):
        put(store, keep(store, uid), state)
    put(store, keep(store, 25), State.FAILED)
    make(store, keep(store, 20), 7)
    make(store, keep(store, 21), 8)
    keep(store, 1, "other")
    clock.now += 10 * 3600  # midnight in that zone
    keep(store, 22)
    clock.now -= 3 * 86_400  # midnight of the first day
    keep(store, 23)
    clock.now -= 900
    keep(store, 24)
    days = figures.days(["support"], dt.date(2026, 5, 21), zone, 4)
    assert [
        Day(dt.date(2026, 5, 18), waiting=1),
        Day(dt.date(2026, 5, 19)),
        Day(dt.date(2026, 5, 20), done=2, ignored=1, failed=3, held=2, waiting=2),
        Day(dt.date(2026, 5, 21), waiting=1),
    ] == days
    assert [1, 0, 10, 1] == [day.total for day in days]
    assert 14 == len(figures.days(["support"], dt.date(2026, 5, 21), zone))


def test_why_mails_were_ignored_the_most_frequent_reason_first(store: Store, figures: Statistics, clock: Clock) -> None:
    store.done(keep(store, 90), "too early")
    clock.now += 1
    for uid, reason in enumerate(("own mail", "a list", "own mail")):
        store.done(keep(store, uid), reason)
    store.done(keep(store, 1, "a"), "a list")
    make(store, keep(store, 91), 7)
    every = [Ignored("support", "own mail", 2), Ignored("a", "a list", 1), Ignored("support", "a list", 1)]
    assert every == figures.ignored(clock.now)
    assert every[:2] == figures.ignored(clock.now, 2)
    assert 4 == len(figures.ignored(clock.now - 1))


def test_how_many_mails_stand_in_each_state(store: Store, figures: Statistics) -> None:
    assert {} == figures.states()
    for uid, state in enumerate(STATES):
        put(store, keep(store, uid), state)
    expected = {"stored": 1, "write_pending": 1, "held": 2, "rejected": 1, "failed": 1, "ignored": 1}
    assert expected == figures.states()
    make(store, keep(store, 20), 7)
    assert expected | {"done": 1} == figures.states()


def test_how_long_mails_took_is_a_histogram_that_is_counted_anew_after_half_a_minute(
    store: Store, figures: Statistics, clock: Clock, steady: Clock
) -> None:
    assert Latencies((0,) * 9, 0, 0.0) == figures.latencies()
    steady.now = 30.0
    for uid, seconds in enumerate((1.0, 5.0, 5.5, 8000.0)):
        mail_id = keep(store, uid)
        clock.now += seconds
        make(store, mail_id, uid + 7)
    ignored = keep(store, 9)
    clock.now += 3
    put(store, ignored, State.DONE)
    counted = Latencies((1, 1, 2, 3, 3, 3, 3, 3, 3), 4, 8011.5)
    assert counted == figures.latencies()
    make(store, keep(store, 10), 20)
    steady.now += 29
    assert counted == figures.latencies()
    steady.now += 1
    assert 5 == figures.latencies().count


def _queue(outbox: Outbox, number: int, mailbox: str = "support") -> None:
    mail = NewAnswer(mailbox, "received", "s@x", "kim@x", f"m{number}@x", b"mail", lambda _: None)
    outbox.queue([mail])


def test_the_sending_queue_of_each_mailbox_and_how_long_sending_took(
    store: Store, figures: Statistics, clock: Clock
) -> None:
    outbox = Outbox(store.database, clock)
    began = clock.now
    for number in range(5):
        _queue(outbox, number)
        clock.now += 10
    _queue(outbox, 9, "sales")
    first, second, third, fourth, _ = outbox.claim("support", limit=9)
    outbox.sent(first, "250 OK")  # after 50 seconds
    outbox.failed(second, "550")
    outbox.bounced(third, "5.1.1")
    clock.now += 30
    outbox.sent(fourth, "250 OK")  # after 50 seconds
    assert {
        "support": OutboxCounts(1, 1, 2, began + 40),
        "sales": OutboxCounts(1, 0, 0, began + 50),
    } == figures.outbox_counts(began)
    assert OutboxCounts(1, 0, 1, began + 40) == figures.outbox_counts(clock.now - 30)["support"]
    assert OutboxCounts(1, 0, 0, began + 40) == figures.outbox_counts(clock.now)["support"]
    assert Latencies((0, 0, 0, 0, 0, 2, 2, 2, 2), 2, 100.0) == figures.sending_latencies()


def test_a_mailbox_that_has_sent_nothing_for_two_days_and_waits_for_nothing_has_no_queue(
    store: Store, figures: Statistics, clock: Clock
) -> None:
    outbox = Outbox(store.database, clock)
    _queue(outbox, 1)
    (mail,) = outbox.claim("support", limit=1)
    outbox.sent(mail, "250 OK")
    assert {"support": OutboxCounts(0, 0, 0, None)} == figures.outbox_counts(clock.now + 86_399)
    assert {} == figures.outbox_counts(clock.now + 86_400)


def test_buckets(store: Store, figures: Statistics, clock: Clock, steady: Clock) -> None:
    """A message counts in each bucket whose bound its time is at most: 1, 2, 5, 10, 30 seconds, 1, 5, 30 minutes, 2
    hours.
    """
    bounds = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
    for number, bound in enumerate(bounds):
        for more in (0.0, 0.5):
            mail_id = keep(store, 2 * number + bool(more))
            clock.now += bound + more
            make(store, mail_id, 2 * number + bool(more) + 1)
    assert tuple(range(1, 18, 2)) == figures.latencies().within


def test_bounced_is_not_sent(store: Store, figures: Statistics, clock: Clock) -> None:
    """A mail that came back is not among those that were sent."""
    outbox = Outbox(store.database, clock)
    for number in range(3):
        _queue(outbox, number)
    first, second, _ = outbox.claim("support", limit=9)
    for mail in (first, second):
        outbox.sent(mail, "250 OK")
    outbox.bounced(second, "5.1.1")
    assert {"support": OutboxCounts(1, 0, 1, clock.now)} == figures.outbox_counts(clock.now - 1)


def test_waiting_for_days(store: Store, figures: Statistics, clock: Clock) -> None:
    """A mail that has waited to be sent for days still counts as waiting."""
    _queue(Outbox(store.database, clock), 1)
    assert {"support": OutboxCounts(1, 0, 0, clock.now)} == figures.outbox_counts(clock.now + 10 * 86_400)


def test_newest_number(store: Store, figures: Statistics) -> None:
    """The number of the newest message says about how many there were."""
    assert 0 == figures.newest_number()
    assert [keep(store, 1), keep(store, 2)][-1] == figures.newest_number()

"""The gate closes while Redmine is unavailable, and tells whose fault a failure is."""

import pytest

from redmine_mailbridge.errors import AccessDenied, RedmineUnavailable
from redmine_mailbridge.tasks.receive.circuit_breaker import CircuitBreaker
from tests.clocks import Clock


def test_closed_for_a_growing_pause() -> None:
    """Each failure in a row closes it for longer, up to five minutes; a success opens it."""
    clock = Clock(1000.0)
    gate = CircuitBreaker(clock)
    pauses = []
    for _ in range(12):
        pauses.append(gate.record_failure())
        clock.now += pauses[-1]

    assert sorted(pauses) == pauses
    assert (5.0, 300.0) == (pauses[0], pauses[-1])
    gate.record_failure()
    gate.record_success()
    assert 0.0 == gate.closed_for
    assert 5.0 == gate.record_failure()


def test_many_at_once_are_one_failure() -> None:
    """Mails that fail together, while it is closed already, do not make the pause grow."""
    gate = CircuitBreaker(Clock(1000.0))

    assert {5.0} == {gate.record_failure() for _ in range(20)}


def test_a_pause_that_redmine_names() -> None:
    """The pause that Redmine asks for is kept, when it is the longer one."""
    clock = Clock(1000.0)
    gate = CircuitBreaker(clock)

    assert 120.0 == gate.record_failure(120.0)
    clock.now += 119
    assert 1.0 == gate.closed_for
    assert 5.0 == CircuitBreaker(clock).record_failure(1.0)


def test_what_one_mail_meets_closes_for_nobody() -> None:
    """Before the gate closes Redmine is asked for what concerns no mail; while it answers, only the mail waits."""
    clock, gate, asked = Clock(1000.0), CircuitBreaker(), []
    gate = CircuitBreaker(clock, ask=lambda: asked.append(clock.now))

    assert 0.0 == gate.failed(1, RedmineUnavailable("412"))
    assert not gate.is_alone(1)
    assert 0.0 == gate.failed(1, RedmineUnavailable("412"))
    assert (0.0, None, [1000.0]) == (gate.closed_for, gate.words, asked)
    assert gate.is_alone(1)
    assert 30.0 == gate.pause_for(1)
    clock.now += 1
    assert 0.0 == gate.failed(2, RedmineUnavailable("500"))
    assert [1000.0, 1001.0] == asked
    assert not gate.is_alone(1)
    gate.settled(2)
    assert gate.is_alone(1)


def test_asked_anew_by_hand() -> None:
    """Somebody who asks by hand has Redmine asked whatever the pause: the gate opens when it answers, else it stays."""
    clock, paused, down = Clock(1000.0), [True], [True]

    def ask() -> None:
        if down[0] or paused[0]:
            raise RedmineUnavailable("connection refused", retry_after=200.0)

    gate = CircuitBreaker(clock, ask=ask, forget_pause=lambda: paused.clear() or paused.append(False))
    assert 200.0 == gate.failed(1, RedmineUnavailable("503", retry_after=200.0))
    gate.ask_anew()
    assert (200.0, "connection refused") == (gate.closed_for, gate.words)
    down[0] = False
    gate.ask_anew()
    assert (0.0, None) == (gate.closed_for, gate.words)
    assert 5.0 == gate.record_failure()


def test_what_any_request_hears() -> None:
    """How Redmine is, is known from any request, also when no mail comes; what a write found out stands above it."""
    gate = CircuitBreaker(Clock(1000.0))
    assert (None, False) == (gate.words, gate.asked)
    gate.note_response("no answer")
    assert ("no answer", 0.0) == (gate.words, gate.closed_for)
    gate.note_response(None)
    assert (None, True) == (gate.words, gate.asked)
    gate.record_failure(words="503 on a write")
    gate.note_response(None)
    assert "503 on a write" == gate.words
    gate.record_success()
    assert gate.words is None
    written = CircuitBreaker(Clock(1000.0))
    written.record_success()
    assert written.asked


def test_a_key_that_is_not_accepted() -> None:
    """That Redmine does not accept the key is known while it is what keeps mail waiting, and not otherwise."""
    denied = True
    gate = CircuitBreaker(Clock(1000.0), denied=lambda: denied)
    assert not gate.denied
    gate.deny(AccessDenied("401", key=True))
    assert gate.denied
    denied = False
    assert not gate.denied


@pytest.mark.fault("A24-5")
def test_it_opens_without_a_mail_that_waits() -> None:
    """A key that Redmine rejects when the service starts stops all; once it is accepted, Redmine counts as available
    after the pause, although no mail has come that finds it out. Until then it is asked once a pause.
    """
    clock, asked, wrong = Clock(1000.0), list[float](), [True]

    def ask() -> None:
        asked.append(clock.now)
        if wrong[0]:
            raise AccessDenied("401", key=True)

    gate = CircuitBreaker(clock, ask=ask)
    gate.ask_when_due()
    assert [] == asked
    gate.deny(AccessDenied("401", key=True))
    for _ in range(100):
        gate.ask_when_due()
        clock.now += 1
    assert ([1005.0, 1015.0, 1035.0], "401") == (asked[:3], gate.words)
    wrong[0] = False
    clock.now += 300
    gate.ask_when_due()
    assert (None, 0.0, clock.now) == (gate.words, gate.closed_for, asked[-1])
    clock.now += 300
    gate.ask_when_due()
    assert clock.now > asked[-1]

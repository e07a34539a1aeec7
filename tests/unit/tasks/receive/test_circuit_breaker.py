"""The gate closes while Redmine is away, and tells whose fault a failure is."""

from redmine_mailbridge.errors import RedmineUnavailable
from redmine_mailbridge.tasks.receive.circuit_breaker import Gate
from tests.clocks import Clock


def test_closed_for_a_growing_pause() -> None:
    """Each failure in a row closes it for longer, up to five minutes; a success opens it."""
    clock = Clock(1000.0)
    gate = Gate(clock)
    pauses = []
    for _ in range(12):
        pauses.append(gate.away())
        clock.now += pauses[-1]

    assert sorted(pauses) == pauses
    assert (5.0, 300.0) == (pauses[0], pauses[-1])
    gate.away()
    gate.went_well()
    assert 0.0 == gate.closed_for
    assert 5.0 == gate.away()


def test_many_at_once_are_one_failure() -> None:
    """Mails that fail together, while it is closed already, do not make the pause grow."""
    gate = Gate(Clock(1000.0))

    assert {5.0} == {gate.away() for _ in range(20)}


def test_a_pause_that_redmine_names() -> None:
    """The pause that Redmine asks for is kept, when it is the longer one."""
    clock = Clock(1000.0)
    gate = Gate(clock)

    assert 120.0 == gate.away(120.0)
    clock.now += 119
    assert 1.0 == gate.closed_for
    assert 5.0 == Gate(clock).away(1.0)


def test_what_one_mail_meets_closes_for_nobody() -> None:
    """Before the gate closes Redmine is asked for what concerns no mail; while it answers, only the mail waits."""
    clock, gate, asked = Clock(1000.0), Gate(), []
    gate = Gate(clock, ask=lambda: asked.append(clock.now))

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

    gate = Gate(clock, ask=ask, forget_pause=lambda: paused.clear() or paused.append(False))
    assert 200.0 == gate.failed(1, RedmineUnavailable("503", retry_after=200.0))
    gate.ask_anew()
    assert (200.0, "connection refused") == (gate.closed_for, gate.words)
    down[0] = False
    gate.ask_anew()
    assert (0.0, None) == (gate.closed_for, gate.words)
    assert 5.0 == gate.away()


def test_what_any_request_hears() -> None:
    """How Redmine is, is known from any request, also when no mail comes; what a write found out stands above it."""
    gate = Gate(Clock(1000.0))
    assert (None, False) == (gate.words, gate.asked)
    gate.heard("no answer")
    assert ("no answer", 0.0) == (gate.words, gate.closed_for)
    gate.heard(None)
    assert (None, True) == (gate.words, gate.asked)
    gate.away(words="503 on a write")
    gate.heard(None)
    assert "503 on a write" == gate.words
    gate.went_well()
    assert gate.words is None

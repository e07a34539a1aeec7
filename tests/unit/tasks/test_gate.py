"""The gate closes while Redmine is away, and tells whose fault a failure is."""

from redmine_mailbridge.tasks.gate import Gate


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_closed_for_a_growing_pause() -> None:
    """Each failure in a row closes it for longer, up to five minutes; a success opens it."""
    clock = Clock()
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
    gate = Gate(Clock())

    assert {5.0} == {gate.away() for _ in range(20)}


def test_a_pause_that_redmine_names() -> None:
    """The pause that Redmine asks for is kept, when it is the longer one."""
    clock = Clock()
    gate = Gate(clock)

    assert 120.0 == gate.away(120.0)
    clock.now += 119
    assert 1.0 == gate.closed_for
    assert 5.0 == Gate(clock).away(1.0)


def test_who_is_to_blame() -> None:
    """A mail is to blame when it fails alone, or when Redmine has taken other work since it was first sent."""
    clock = Clock()
    gate = Gate(clock)

    assert gate.is_to_blame(1, None)
    assert not gate.is_to_blame(2, clock.now)
    assert not gate.is_to_blame(1, clock.now)
    clock.now += 10
    gate.went_well(3)
    assert gate.is_to_blame(1, clock.now - 10)
    gate.went_well(2)
    assert gate.is_to_blame(1, None)


def test_what_any_request_hears() -> None:
    """How Redmine is, is known from any request, also when no mail comes; what a write found out stands above it."""
    gate = Gate(Clock())
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

"""An issue that something is wrong with ends its own turn, is tried again later and later, and delays no other."""

import itertools

import pytest

from redmine_mailbridge.errors import RedmineRefused, RedmineUnavailable, StoreBusy, UnknownLogin
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from tests.clocks import Clock


class Desk:
    """Turns with a record, and a Redmine that may be away."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.away = False
        self.lines: list[tuple[int, str]] = []
        self.turns = IssueTurns("rules", self._ask, lambda issue, line: self.lines.append((issue, line)), self.clock)

    def _ask(self) -> None:
        if self.away:
            raise RedmineUnavailable("GET /users/current.json: 502")

    def fail(self, issue: int, error: Exception) -> tuple[int, bool]:
        """A turn that ends with an error."""

        def work() -> int:
            raise error

        return self.turns.take(issue, work)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RedmineUnavailable("GET /issues/7.json: 500"),
            "rules: Redmine fails on it: GET /issues/7.json: 500",
        ),
        (RedmineRefused("no rights", status=403), "rules: no rights"),
        (UnknownLogin("anna"), "rules: "),
        (ValueError("a customer's words"), "rules: internal error (ValueError"),
    ],
)
def test_an_error_ends_its_own_turn(desk: Desk, error: Exception, said: str) -> None:
    """Whatever goes wrong with one issue is in its record, without words of a customer, and the next has its turn."""
    assert (0, False) == desk.fail(7, error)
    assert (3, True) == desk.turns.take(8, lambda: 3)
    ((issue, line),) = desk.lines
    assert (7, True, False) == (issue, line.startswith(said), "customer" in line)


def test_redmine_is_away(desk: Desk) -> None:
    """Where Redmine answers nobody, no issue is to blame: the whole run ends, and nothing is recorded."""
    desk.away = True
    with pytest.raises(RedmineUnavailable):
        desk.fail(7, RedmineUnavailable("GET /issues/7.json: 500"))
    with pytest.raises(StoreBusy):
        desk.fail(7, StoreBusy("busy"))
    assert [] == desk.lines
    assert (1, True) == desk.turns.take(7, lambda: 1)


def test_it_is_tried_less_and_less_often(desk: Desk) -> None:
    """The second try comes with the next run, later ones after longer and longer pauses; a success forgets them."""
    tries: list[float] = []

    def work() -> int:
        tries.append(desk.clock.now)
        raise ValueError

    for _ in range(600):
        desk.turns.take(7, work)
        desk.clock.now += 10
    pauses = [later - earlier for earlier, later in itertools.pairwise(tries)]
    assert pauses == sorted(pauses)
    assert (10, True) == (pauses[0], pauses[-1] > 100)
    desk.clock.now += 100_000
    assert (1, True) == desk.turns.take(7, lambda: 1)
    assert (0, False) == desk.fail(7, ValueError())
    assert (1, True) == desk.turns.take(7, lambda: 1)

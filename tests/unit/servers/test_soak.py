"""What a soak has done is kept, so that many kills can be had in several runs."""

import itertools
from pathlib import Path

import pytest

from tests.crash.soak import Ledger, main
from tests.crash.soak_round import Result

AHEAD = Result("ahead", mails=60, kills=20, cuts=14, deaths={"random": 12, "move:after": 8}, exits=[0])
PLAIN = Result("plain", mails=30, kills=10, cuts=6, lost=1, deaths={"random": 10}, wrong=["lost: tok1: issue"])


@pytest.fixture
def ledger() -> Ledger:
    return Ledger("6.1", "sqlite", kills=60, mails_a_kill=3, kills_a_round=20, seed=7)


def test_a_run_goes_on_where_the_last_one_ended(ledger: Ledger, tmp_path: Path) -> None:
    """Rounds that were done are read again as they were, and only the kills behind them are left to do."""
    file = tmp_path / "soak.json"
    assert 60 == ledger.left
    ledger.rounds += [AHEAD, PLAIN]
    ledger.save(file)
    again = Ledger.load(file)
    assert ledger == again
    assert 30 == again.left
    again.rounds += [AHEAD, AHEAD]
    assert 0 == again.left


def test_the_table_has_a_row_for_each_world_and_their_sum(ledger: Ledger) -> None:
    """Rounds of one world are added up in its row, and all of them in the last."""
    ledger.rounds += [AHEAD, PLAIN, AHEAD]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in ledger.table().splitlines()]
    assert ["ahead", "120", "40", "28", "0", "0", "0"] == cells[1]
    assert ["plain", "30", "10", "6", "1", "0", "0"] == cells[2]
    assert ["all", "150", "50", "34", "1", "0", "0"] == cells[3]
    assert ["plain: lost: tok1: issue"] == ledger.wrong
    assert [("move:after", "16"), ("random", "34")] == [
        tuple(line.split()) for line in ledger.boundaries().splitlines()
    ]


def test_a_soak_is_never_begun_over_another(ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A directory that holds one is gone on with by --resume only, and one that holds none is not."""
    part = ["--part", str(tmp_path)]
    assert 2 == main([*part, "--resume"])
    ledger.rounds += itertools.repeat(AHEAD, 3)
    ledger.save(tmp_path / "soak.json")
    assert 2 == main(part)
    assert "--resume goes on with it" in capsys.readouterr().out
    assert 0 == main([*part, "--resume"])
    assert "all" in capsys.readouterr().out

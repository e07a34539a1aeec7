"""The whole policy in tables: `policy/*.txt`, one row a case, read by `world.rows`.

Columns: `is` the plan (see `world.short`), `because` a part of its reason, `got` details of it (`~` is "contains"),
the others what the case is made of. An empty cell means: as usual (see `world`).
"""

from dataclasses import replace
from pathlib import Path

import pytest

from redmine_mailbridge.policy.decide import decide
from tests.unit.policy.world import detail, facts, identity, message, plan_of, route_of, rows, short

CASES = list(rows(Path(__file__).parent / "policy"))


@pytest.mark.parametrize("row", [row for _, row in CASES], ids=[name for name, _ in CASES])
def test_policy(row: dict[str, str]) -> None:
    """Each row of the tables is what becomes of that mail."""
    plan = plan_of(row)
    steps = "\n".join(plan.steps)
    assert row["is"] == short(plan), steps
    assert row.get("because", "") in plan.reason, steps
    for wish in row.get("got", "").split(";"):
        if "~" in wish:
            key, _, part = wish.partition("~")
            negated = key.strip().endswith("!")
            assert negated is (part.strip() not in detail(plan, key.strip(" !"))), (
                f"{wish}: {detail(plan, key.strip(' !'))}"
            )
        elif wish.strip():
            key, _, value = wish.partition("=")
            assert value.strip().replace("\\n", "\n") == detail(plan, key.strip()).strip(" "), f"{wish}\n{steps}"


@pytest.mark.fault("A15-1")
@pytest.mark.parametrize("sign", ["tag:10", "marker:10", "signed:10"])
def test_the_answer_to_a_note_that_the_key_does_not_see(sign: str) -> None:
    """Its note may have been private: the answer, which quotes it, is a private note, whichever sign places it."""
    plan = plan_of({"ref": f"journal:77 {sign}", "auth": "unknown"})
    assert (10, True) == (plan.issue, plan.private_note), plan.steps


@pytest.mark.parametrize(
    ("sends_from", "private"), [("", True), ("redmine@corp.example", True), ("it@other.example", False)]
)
def test_the_answer_to_another_redmines_note(sends_from: str, *, private: bool) -> None:
    """A note that is not there makes the answer private only where our Redmine may have made its id: customers have
    Redmines too. Where the settings do not say what ours sends from, it may have.
    """
    row = {"ref": "journal:77 tag:10", "auth": "unknown"}
    here = replace(identity(row), redmine_addresses=frozenset(filter(None, [sends_from])))
    plan = decide(message(row), route_of("", row), here, facts(row))
    assert (10, private) == (plan.issue, plan.private_note), plan.steps


@pytest.mark.parametrize(
    ("sends_from", "private"), [("", None), ("redmine@corp.example", True), ("it@other.example", None)]
)
def test_the_answer_to_a_note_and_nothing_else(sends_from: str, *, private: bool | None) -> None:
    """A mail whose only sign is a note of our Redmine's that is not there makes a private issue: it quotes the note,
    which may have been private. Another Redmine's, or what nothing tells from it, makes an ordinary one.
    """
    row = {"ref": "journal:77", "auth": "unknown"}
    here = replace(identity(row), redmine_addresses=frozenset(filter(None, [sends_from])))
    plan = decide(message(row), route_of("", row), here, facts(row))
    assert ("create", private) == (plan.action, plan.fields.is_private or None), plan.steps


def test_at_least_300_different_rows() -> None:
    """The tables hold at least 300 cases, no two of them made of the same cells."""
    made = [tuple(sorted((k, v) for k, v in row.items() if k not in {"is", "because", "got"})) for _, row in CASES]
    repeated = [name for (name, _), cells in zip(CASES, made, strict=True) if made.count(cells) > 1]
    assert [] == repeated
    assert len(CASES) >= 300

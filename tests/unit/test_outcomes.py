"""The tables of what works with which right, key, database and version are those of the tests."""

import re
from pathlib import Path

import pytest

from tests import outcomes


@pytest.mark.parametrize("page", outcomes.TABLES, ids=lambda page: page.name)
def test_the_tables_are_made_of_what_the_tests_saw(page: Path) -> None:
    """Each table stands in its page as `scripts/customised` writes it; nobody has touched it by hand."""
    text = page.read_text("utf-8")
    assert 1 == text.count(outcomes.BEGIN) == text.count(outcomes.END)
    assert outcomes.filled(page, outcomes.load()) == text


def test_the_tables_hold_each_project_and_key() -> None:
    """A mail was seen in each project with each key that the suite has, on two versions and two databases."""
    seen = outcomes.load()
    assert {"5.0 on sqlite", "6.1 on sqlite", "6.1 on mariadb-utf8mb3"} == seen.keys()
    everywhere = [projects.keys() for projects in seen.values()]
    assert all(everywhere[0] == one for one in everywhere)
    seeds = (outcomes.ROOT / "tests" / "servers" / "customised.rb").read_text("utf-8")
    fields = re.findall(r"^FIRST = %w\[([^\]]+)\]", seeds, re.MULTILINE)[0].split()
    without = {f"without-{name.removesuffix('_id').replace('_', '-')}" for name in fields}
    assert set() == without - everywhere[0]
    for projects in seen.values():
        assert {True} == {found.keys() in (outcomes.KEYS.keys(), {"admin", "key-sets"}) for found in projects.values()}
        assert {outcomes.WHOLE, outcomes.NOTED, outcomes.LEFT} == {
            words for found in projects.values() for words in found.values()
        }


def test_a_cell_tells_versions_apart() -> None:
    """Where versions differ, each is named; where all are the same, it is said once."""
    seen = {place: {"plain": {"admin": words}} for place, words in (("5.0", "whole"), ("6.1", "whole"))}
    assert "| nothing is in the way | whole |" in outcomes.summary(seen)
    seen["6.1"]["plain"]["admin"] = "left to a person"
    assert "| plain | 5.0: whole; 6.1: left to a person |" in outcomes.table(seen)

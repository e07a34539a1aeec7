"""docs/dev/requirements.md speaks of tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = re.findall(r"^\| ([ERPOI]\d+) \|(.*)\|$", (ROOT / "docs" / "dev" / "requirements.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("row", "rest"), ROWS, ids=[row for row, _ in ROWS])
def test_a_row_that_works_names_tests_that_are_there(row: str, rest: str) -> None:
    """Each test that a row names, file and function, exists, and no row works without one."""
    named = re.findall(r"`(tests/[^`]+)`", rest)
    state = rest.rpartition("|")[2].strip()
    missing = [name for name in named if "::" not in name]
    for name in named:
        file, _, function = name.partition("::")
        text = (ROOT / file).read_text() if (ROOT / file).is_file() else None
        if text is None or (function and f"def {function}(" not in text):
            missing.append(name)
    assert [] == missing
    assert named or state.startswith("open")


def test_all_rows_are_there() -> None:
    """None of the five documents' rows is left out."""
    assert 63 == len(ROWS)

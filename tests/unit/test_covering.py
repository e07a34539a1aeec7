"""scripts/covering.py: which tests are asked about a change of a line."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

MODULE = """\
LIMIT = 8


def is_late(
    hours: int,
    limit: int = LIMIT,
) -> bool:
    if (
        hours
        > limit
    ):
        return True
    return False


@cache
def slow(number: int) -> int:
    return number + 1


def never() -> int:
    return 0
"""
FILE = "redmine_mailbridge/tiny/late.py"
LATE, EARLY, OTHER = (
    "tests/unit/tiny/test_late.py::late",
    "tests/unit/cli/test_a.py::early",
    "tests/unit/b/test_b.py::b",
)


@pytest.fixture
def covering(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, which lies beside the scripts."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "scripts"))
    import covering  # type: ignore[import-not-found]

    monkeypatch.delitem(sys.modules, "covering")
    assert isinstance(covering, ModuleType)
    return covering


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (8, [EARLY, LATE]),
        (10, [EARLY, LATE]),  # a condition of several lines: whoever runs any of them
        (12, [LATE]),
        (13, [EARLY]),
        (1, [EARLY, LATE, OTHER]),  # at import: the constant may be used elsewhere, too
        (6, [EARLY, LATE, OTHER]),
        (18, [EARLY, LATE, OTHER]),  # only the first that asks runs it
        (22, []),
    ],
)
def test_a_change_is_tried_with_the_tests_that_run_its_statement_and_with_all_where_it_runs_once(
    covering: ModuleType, line: int, expected: list[str]
) -> None:
    lines = {1: [""], 4: [""], 8: [LATE], 9: [LATE, EARLY], 12: [LATE], 13: [EARLY], 16: [""], 18: [EARLY], 21: [""]}
    recording = covering.Recording(seconds={LATE: 3.0, EARLY: 1.0, OTHER: 0.5}, lines={FILE: lines})
    assert sorted(expected) == sorted(recording.covering(FILE, MODULE, line))


def test_the_quickest_come_first_and_before_them_those_that_noticed_something_or_bear_the_modules_name(
    covering: ModuleType,
) -> None:
    quick, slow = "tests/unit/tiny/test_a.py::quick", "tests/unit/tiny/test_a.py::slow"
    recording = covering.Recording(
        seconds={LATE: 9.0, slow: 3.0, quick: 2.0, EARLY: 1.0, OTHER: 8.0},
        lines={FILE: {13: [quick, EARLY, LATE, slow, OTHER]}},
    )
    expected = [OTHER, LATE, quick, slow, EARLY]
    assert expected == recording.covering(FILE, MODULE, 13, own="tests/unit/tiny", noticed={OTHER})


def test_only_test_modules_that_changed_are_recorded_again_until_the_package_changes(
    covering: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, kept = tmp_path / "tree", tmp_path / "kept.json"
    package, tests = tree / "redmine_mailbridge" / "tiny", tree / "tests" / "unit" / "tiny"
    package.mkdir(parents=True)
    tests.mkdir(parents=True)
    (tree / "pyproject.toml").write_text("", "utf-8")
    (package.parent / "__init__.py").write_text("", "utf-8")
    (package / "__init__.py").write_text("def one(x):\n    if x:\n        return 1\n    return 0\n", "utf-8")
    text = "from redmine_mailbridge.tiny import one\n\ndef test_it():\n    assert one({0}) == {0}\n"
    for number in (0, 1):
        (tests / f"test_{number}.py").write_text(text.format(number), "utf-8")

    def recorded() -> tuple[str, dict[int, list[str]]]:
        made = covering.record(tree, "tiny", ["tests/unit/tiny"], kept)
        assert made == covering.record(tree, "tiny", ["tests/unit/tiny"], kept)
        said = capsys.readouterr().err.splitlines()
        assert said[1] == "mutate: 2 tests, 0 of 2 modules recorded anew"
        lines = made.lines["redmine_mailbridge/tiny/__init__.py"]
        return said[0], {line: sorted(one.rpartition("/")[2] for one in lines.get(line, [])) for line in (2, 3, 4)}

    no, yes = "test_0.py::test_it", "test_1.py::test_it"
    assert recorded() == ("mutate: 2 tests, 2 of 2 modules recorded anew", {2: [no, yes], 3: [yes], 4: [no]})
    (tests / "test_0.py").write_text(text.format(1), "utf-8")
    assert recorded() == ("mutate: 2 tests, 1 of 2 modules recorded anew", {2: [no, yes], 3: [no, yes], 4: []})
    (package / "__init__.py").write_text("def one(x):\n    y = x\n    return y\n    return y\n", "utf-8")
    assert recorded()[0] == "mutate: 2 tests, 2 of 2 modules recorded anew"

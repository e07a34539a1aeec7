"""scripts/mutate: what it says of a tiny package of which one line is tested and one is not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

TESTED = """
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from decimal import Decimal

@dataclass(frozen=True, slots=True)
class Sum:
    number: "int | Decimal"

class Sized(Protocol):
    @property
    def size(self) -> int: ...

def doubled(number: int | None, *, times: int = 2) -> int:
    return Sum((number or 0) * times).number
"""
UNTESTED = "def is_late(hours: int) -> bool:\n    return hours > 8\n"
STARS = "def with_size(values):\n    return {**values, 'size': 8}\n"
TESTS = """
from redmine_mailbridge.tiny import late, sums

def test_doubled():
    assert sums.doubled(3) == 6
    assert sums.doubled(None) == 0

def test_late_says_something():
    assert late.is_late(20)
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout with a room of two modules and their tests."""
    tree = tmp_path / "checkout"
    package, tests = tree / "redmine_mailbridge", tree / "tests" / "unit" / "tiny"
    (package / "tiny").mkdir(parents=True)
    tests.mkdir(parents=True)
    shutil.copy2(ROOT / "pyproject.toml", tree)
    for file, text in {
        package / "__init__.py": "",
        package / "tiny" / "__init__.py": "",
        package / "tiny" / "sums.py": TESTED,
        package / "tiny" / "late.py": UNTESTED,
        tests / "test_tiny.py": TESTS,
    }.items():
        file.write_text(text, "utf-8")
    return tree


def _mutate(tree: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the script over the tree, with its results beside the tree."""
    command = [sys.executable, ROOT / "scripts" / "mutate", "tiny", "--tree", tree]
    command += ["--results", tree.parent / "results.jsonl", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def _texts(tree: Path) -> dict[Path, str]:
    return {path: path.read_text("utf-8") for path in tree.rglob("*") if path.is_file()}


@pytest.fixture(autouse=True)
def _in_this_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the script use the environment that the tests run in."""
    monkeypatch.setenv("MUTATE_IN_VENV", "1")


def test_a_change_that_no_test_notices_is_named_with_its_line_and_one_that_is_noticed_is_counted(tree: Path) -> None:
    before = _texts(tree)
    # all places of the package; with this seed, the limit is raised by one
    ran = _mutate(tree, "--sample", "100", "--seed", "3")
    assert ran.returncode == 0, ran.stderr
    figures = re.match(
        r"tiny: (\d+) of \1 mutants tried: (\d+) killed, (\d+) survived, 0 timeouts: [\d.]+ % noticed\n", ran.stdout
    )
    assert figures is not None, ran.stdout
    tried, killed, survived = map(int, figures.groups())
    assert tried == killed + survived
    assert killed >= 1
    survivors = ran.stdout.splitlines()[1:]
    assert survived == len(survivors)
    assert "survived: redmine_mailbridge/tiny/late.py:2: return hours > 8  =>  return hours > 9" in survivors
    assert [] == [line for line in survivors if "sums.py" in line]
    assert before == _texts(tree), "the checkout itself stays as it is"


@pytest.mark.parametrize("size", ["1", "2"])
def test_a_change_that_is_no_python_is_not_counted(tree: Path, size: str) -> None:
    """Nothing else can stand for the two stars: in their place the other place is taken, if it was not already."""
    (tree / "redmine_mailbridge" / "tiny" / "sums.py").write_text(STARS, "utf-8")
    (tree / "redmine_mailbridge" / "tiny" / "late.py").unlink()
    (tree / "tests" / "unit" / "tiny" / "test_tiny.py").write_text("def test_nothing():\n    pass\n", "utf-8")
    ran = _mutate(tree, "--sample", size)
    figures, *survivors = ran.stdout.splitlines()
    assert figures.startswith("tiny: 1 of 1 mutants tried: 0 killed, 1 survived"), ran.stderr
    assert [True] == ["=>  return {**values, 'size': " in line for line in survivors]


def test_what_was_tried_before_is_not_tried_again_until_its_module_changes(tree: Path) -> None:
    first = _mutate(tree, "--sample", "2")
    again = _mutate(tree, "--sample", "2")
    assert first.stdout == again.stdout
    assert "" == again.stderr
    for module in (tree / "redmine_mailbridge" / "tiny").glob("[ls]*.py"):
        module.write_text(module.read_text("utf-8") + "\n", "utf-8")
    changed = _mutate(tree, "--sample", "2")
    assert "2/2 " in changed.stderr


def test_a_room_whose_tests_fail_without_any_change_is_refused(tree: Path) -> None:
    late = tree / "redmine_mailbridge" / "tiny" / "late.py"
    late.write_text(UNTESTED.replace("hours >", "hours <"), "utf-8")
    ran = _mutate(tree)
    assert ran.returncode == 1
    assert "mutate: the tests of tests/unit/tiny do not pass on the tree as it is" in ran.stderr


def test_a_folder_that_is_not_there_is_refused_with_what_to_name() -> None:
    command = [sys.executable, ROOT / "scripts" / "mutate", "nowhere"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert "redmine_mailbridge/nowhere is no folder; name one, such as policy or tasks/receive" in ran.stderr

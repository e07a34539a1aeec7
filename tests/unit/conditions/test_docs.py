"""The table of conditions in the documentation is the one in the code."""

from redmine_mailbridge.conditions.kinds import KINDS
from tests.layout import ROOT

PAGE = ROOT / "docs" / "admin" / "troubleshooting.md"


def table() -> str:
    """The table of all conditions, with NAME for what a condition is about."""
    rows = [f"| `{k.key}` | {k.meaning} | {k.remedy.format(subject='NAME')} |\n" for k in KINDS.values()]
    return "".join(["| condition | meaning | what to do |\n|---|---|---|\n", *rows])


def test_each_condition_is_documented() -> None:
    """Each condition has its row, with the words of the code."""
    assert table() in PAGE.read_text("utf-8"), f"write this table into {PAGE.name}:\n{table()}"

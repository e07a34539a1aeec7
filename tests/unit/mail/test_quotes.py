import json
import re
import sys
from pathlib import Path

import pytest

from redmine_mailbridge.mail.text.attribution import Attributions
from redmine_mailbridge.mail.text.lines import analyse_lines
from redmine_mailbridge.mail.text.quotes import split_reply

CASES = [
    json.loads(line) for line in (Path(__file__).parents[2] / "fixtures/replies.jsonl").read_text("utf-8").splitlines()
]
ATTRIBUTION = "On Mon, 3 Mar 2025 at 10:00, Ann Field <ann@example.com> wrote:\n"
HOSTILE = {
    "blanks": " ",
    "no-break blanks": "\xa0",
    "opener": "On a",
    "attribution-like lines": "On Monday 12:00 at wrote x:\n",
    "attributions": ATTRIBUTION + "yes\n> q\n",
    "answered attributions": "x\n\n" + ATTRIBUTION + "> q\n\n",
    "one long line": "ab ",
    "header keys": "From: a@example.com\n",
    "header blocks": "From: a@example.com\nTo: x\n\n",
    "signatures": "-- \n",
    "footers": "\nSent from my iPhone\n",
    "quote marks": ">",
    "open brackets": "a b c <\n",
    "drawn lines": "----\nx\n",
    "quotes": "> q\nt\n",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_fixture(case: dict[str, str]) -> None:
    """What a person wrote is told from what was quoted, in every language and by every rule of the fixtures."""
    assert case["expected"].split() == split_reply(case["text"]).written.split()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_no_word_is_lost(case: dict[str, str]) -> None:
    """Every word of the text is in the written or in the quoted half."""
    split = split_reply(case["text"])
    assert sorted(case["text"].split()) == sorted((split.written + "\n" + split.quoted).split())


def test_nothing_left_means_nothing_cut() -> None:
    """When all of a mail is a quote, all of it is kept."""
    text = ATTRIBUTION.replace("On", "> On") + "> hello"
    assert (text, "", "") == (split_reply(text).written, split_reply(text).quoted, split_reply(text).rule)


@pytest.mark.parametrize("shown", ["%% above %%", "> %% above %%", "%% above\n%%"])
def test_delimiters(shown: str) -> None:
    """The admin's delimiter cuts, plain, quoted or wrapped over two lines."""
    split = split_reply(f"Hello.\n\n{shown}\nold", [re.compile(re.escape("%% above %%"))])
    assert ("Hello.", "delimiter", "Hello.") == (split.written, split.rule, split.whole)


def test_a_delimiter_alone_on_its_line_cuts() -> None:
    """A line that only begins with the delimiter cuts nothing."""
    split = split_reply("A\n-- x\nB\n--\xa0\nC", [re.compile(re.escape("--"))])
    assert "A\n-- x\nB" == split.whole


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_linear(unit: str) -> None:
    """Four times the hostile input takes no more than about four times the steps."""
    small, large = (_steps(unit * count) for count in (400, 1600))
    assert large <= 6 * small + 2000


def _steps(text: str) -> int:
    """Count the lines of Python that run while `text` is split: a measure that no busy machine changes."""
    count = 0

    def trace(frame: object, event: str, arg: object) -> object:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        split_reply(text)
    finally:
        sys.settrace(before)
    return count


def test_attribution_does_not_swallow_what_stands_above() -> None:
    """Closing words right above an attribution are not part of it."""
    lines = analyse_lines(["Thanks,", "Alex", *ATTRIBUTION.splitlines(), "> q"])
    assert [None, None, 3] == [Attributions(lines).at(index) for index in range(3)]

"""Signs that no issue holds are taken out before a text is made inert: behind that, it would bring it to life."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.redmine.text_cleaning import clean
from tests.hostile_texts import LINKS, LIVE, MARKUP, PICTURES

FORMATS: tuple[TextFormat, ...] = ("common_mark", "textile", "markdown")
SIGNS = "\x00\x01\x08\x0b\x0c\x0e\x1b\x1f\x7f\u202d\u202e"
HOSTILE = [one for table in (LIVE, PICTURES, LINKS, MARKUP) for line in table.split("\n") for one in line.split("|")]


def with_signs(text: str, seed: int) -> str:
    """A text with a sign that no issue holds between any two of its letters, or nearly so."""
    chance = random.Random(seed)
    return "".join(sign + (chance.choice(SIGNS) if chance.random() < 0.6 else "") for sign in text)


def writers() -> dict[str, Callable[[str, TextFormat], str]]:
    """Whatever makes a stranger's words inert, by a name."""
    from redmine_mailbridge.mail.text.code import code_block, code_span
    from redmine_mailbridge.mail.text.escaping import LONGEST_LINE, MOST_LINES, inert_in_bulk, inert_line, make_inert

    return {
        "text": make_inert,
        "long text": lambda text, of: make_inert("\n" * MOST_LINES + text, of),
        "long line": lambda text, of: make_inert("x" * LONGEST_LINE + text.replace("\n", " "), of),
        "bulk": lambda text, _of: inert_in_bulk(text),
        "line": lambda text, of: inert_line(text, of, whole=True),
        "line that somebody typed": lambda text, of: inert_line(text, of, whole=True, typed=True),
        "code": code_span,
        "block of code": lambda text, of: "\n".join(code_block(text.split("\n"), of)),
        "quoted code": lambda text, of: "\n".join(code_block(text.split("\n"), of, quoted=True)),
    }


NAMES = [
    "text",
    "long text",
    "long line",
    "bulk",
    "line",
    "line that somebody typed",
    "code",
    "block of code",
    "quoted code",
]


@pytest.mark.fault("V7")
@pytest.mark.parametrize("text_format", FORMATS)
@pytest.mark.parametrize("writer", NAMES)
def test_what_goes_to_redmine_was_inert_without_its_control_characters(writer: str, text_format: TextFormat) -> None:
    """Whatever makes a stranger's words inert takes the signs that no issue holds out first, so that what goes to
    Redmine is what is made of the same words without them."""
    make = writers()[writer]
    some = ["\n".join(HOSTILE)] if writer.startswith("long") else HOSTILE
    for seed, plain in enumerate(some):
        made = make(with_signs(plain, seed), text_format)
        assert (make(clean(plain), text_format), clean(made)) == (made, made), plain


@pytest.mark.fault("V7")
@pytest.mark.parametrize("text_format", FORMATS)
def test_a_carriage_return_ends_no_code_and_no_quote(text_format: TextFormat) -> None:
    """A carriage return alone is a line end by the time that Redmine has the text; so it is when the text is made
    inert, and within one line it is a blank."""
    from redmine_mailbridge.mail.text.code import code_block
    from redmine_mailbridge.mail.text.escaping import inert_line, make_inert

    lines = ["safe", "{{include(Secret)}} @admin", "```", "</pre>", "![x](http://e.example/a.png)"]
    for quoted in (False, True):
        together = code_block(["\r".join(lines)], text_format, quoted=quoted)
        assert code_block(lines, text_format, quoted=quoted) == together
    assert make_inert("\n".join(lines), text_format) == make_inert("\r".join(lines), text_format)
    assert inert_line("a # b", text_format, whole=True) == inert_line("a\r# b", text_format, whole=True)
    assert "\n" not in clean(literal("a\r# b", text_format))


@pytest.mark.fault("V7")
def test_what_was_overlooked_joins_nothing() -> None:
    """Should a control character stand in markup all the same, a sign of no meaning stands in its place in Redmine:
    what it kept apart stays apart, in descriptions and notes alike."""
    from redmine_mailbridge.model.facts import Project
    from redmine_mailbridge.model.plan import Action, IssueFields, Plan
    from redmine_mailbridge.redmine.requests import issue_request, note_request

    project = Project(7, "desk", "Desk")
    odd: dict[str, Any] = {"text": "{\x7f{include(Secret)}} @\x01admin", "reason": "", "steps": ()}
    issue = issue_request(Plan(action=Action.CREATE, fields=IssueFields(subject="a\x01b"), **odd), project)
    note = note_request(Plan(action=Action.NOTE, issue=1, fields=IssueFields(), **odd), project)
    shown = "{\ufffd{include(Secret)}} @\ufffdadmin"
    assert (shown, shown, "ab") == (
        issue.attributes["description"],
        note.attributes["notes"],
        issue.attributes["subject"],
    )

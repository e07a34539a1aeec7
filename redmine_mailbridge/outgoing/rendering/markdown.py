"""An agent's note in CommonMark (or Redmine's former Markdown), parsed by markdown-it-py. Redmine breaks lines where
the note does.
"""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from redmine_mailbridge.outgoing.rendering.redmine_words import is_brace, lines_of

DEEPEST = 60
"""Levels of quotes and lists in each other. The parser drops what is deeper, so such a note is shown as it is."""
MOST = 40_000
"""Characters of a note that is parsed; a longer one (a log that somebody pasted) is shown as plain text."""
MOST_CELLS = 10_000
"""Of its tables, likewise: a short row is filled up to the width of its table, so that few characters make many."""
MOST_BRACKETS = 2_000
"""Of all that may be links, likewise: the parser looks for the end of each."""
_BREAK = re.compile(r"<br\s{0,5}/?>", re.IGNORECASE)
_PARSER = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": DEEPEST})
_PARSER.enable(["table", "strikethrough"])


def to_html(note: str) -> str | None:
    """Given a note, return its HTML, in which HTML of the note's own is text; None if it is not to be parsed."""
    if len(note) > MOST or _cells(note) > MOST_CELLS or note.count("[") > MOST_BRACKETS:
        return None
    tokens = _PARSER.parse(_without_macro_lines(note))
    if any(token.level >= DEEPEST - 4 for token in tokens):
        return None
    for token in tokens:
        token.children = [part for child in token.children or () for part in _with_breaks(child)]
        for child in token.children:
            if child.type == "em_open":
                child.attrSet("data-mark", child.markup)
    return str(_PARSER.renderer.render(tokens, _PARSER.options, {}))


def _with_breaks(token: Token) -> Iterator[Token]:
    """A text in which agents broke lines with <br>, as in the cells of tables; other HTML stays text."""
    if token.type != "text":
        yield token
        return
    for number, part in enumerate(_BREAK.split(token.content)):
        if number:
            yield Token("hardbreak", "br", 0)
        yield Token("text", "", 0, content=part)


def _cells(note: str) -> int:
    """How many cells its tables may have at most."""
    lines = note.splitlines()
    columns = max((line.count("|") + 1 for line in lines if "|" in line and not line.strip(" \t>|:-")), default=0)
    return columns * len(lines)


def _without_macro_lines(note: str) -> str:
    """The note without the lines that only begin or end a macro, unless they are code. The text between is kept."""
    lines = lines_of(note)
    macros = {number for number, line in enumerate(lines) if is_brace(line)}
    if macros:
        macros -= _code_lines(_PARSER.parse("\n".join(lines)))
    return "\n".join("" if number in macros else line for number, line in enumerate(lines))


def _code_lines(tokens: list[Token]) -> set[int]:
    return {
        number
        for token in tokens
        if token.type in {"fence", "code_block"} and token.map
        for number in range(*token.map)
    }

"""The lines of a mail's text as the reply rules see them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

# What may stand around a word of a header block or an attribution and means nothing there: emphasis in markup,
# direction marks, list marks of converted HTML.
_DRESS = " \t\xa0*_\\|\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u3000"
_QUOTE = re.compile(r"[ \t]{0,3}(?:>[ \t]?)+")
_MARKED = re.compile(r"[ \t]{0,3}(\||[A-Z]{1,3}>)(?:[ \t]|$)")
LONGEST = 1000


class TextLine(NamedTuple):
    """One line: `bare` is it without quote marks and dress, cut to LONGEST characters, for the rules to read.

    `quoted` is True when it starts with > or lies in what the mail program marked as quoted.
    """

    bare: str
    quoted: bool
    blank: bool


_EMPTY = TextLine("", quoted=False, blank=True)


def analyse_lines(lines: Sequence[str], marked: Sequence[bool] = ()) -> list[TextLine]:
    """Given lines (and which of them the HTML marks as quoted), return them as the rules read them."""
    out: list[TextLine] = []
    otherwise = _marked_otherwise(lines)
    for index, line in enumerate(lines):
        head = line[:LONGEST]
        if index in otherwise:
            out.append(TextLine(head[otherwise[index] :].strip(_DRESS), True, False))
            continue
        if not head and not marked:
            out.append(_EMPTY)
            continue
        quoted = bool(marked and marked[index])
        match = _QUOTE.match(head)
        if match and _is_quote(head, match.end()):
            quoted = True
            head = head[match.end() :]
        bare = head.strip(_DRESS) or head.strip()
        out.append(TextLine(bare, quoted, not bare and not quoted))
    return out


def _marked_otherwise(lines: Sequence[str]) -> dict[int, int]:
    """Which lines are quoted with "| " or with initials, as in "AB> "? Return where the mark of each ends.

    That takes two such lines in a row with the same mark; a line that ends in "|" is a table's.
    """
    mark_ends: dict[int, int] = {}
    last = (-2, "")
    for index, line in enumerate(lines):
        match = _MARKED.match(line[:10])
        table = line[:LONGEST].rstrip().endswith("|") and len(line.strip()) > 1
        if match is None or table:
            continue
        if last == (index - 1, match[1]):
            mark_ends[index - 1] = mark_ends.get(index - 1, match.end())
            mark_ends[index] = match.end()
        last = (index, match[1])
    return mark_ends


def _is_quote(head: str, end: int) -> bool:
    """A line of only ">:" is not a quote: it ends the address of a wrapped attribution."""
    return head[end:].strip() not in {":", "wrote:"} or end > 2

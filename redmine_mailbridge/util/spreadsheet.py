"""CSV for spreadsheets (RFC 4180), the one writer of it: no text that a stranger chose becomes a formula. Pure.

A spreadsheet takes what begins with = + - or @ for a formula, in their full-width forms too (OWASP, CSV injection). It
splits lines where its language says, at ";" or a tab in half of Europe, whatever is quoted, so that a formula can also
begin within a text.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

Cell = str | int | float | None
_BEGINS = re.compile(r"""(^|[;\t|])(?=[\s"'\x00-\x1f\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠﹦﹢﹣﹫])""")
_LINES = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")


def as_csv(rows: Iterable[Sequence[Cell]]) -> str:
    """Given rows, return them as lines. Numbers stay as they are; texts are quoted, one line each, and no formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
    for row in rows:
        writer.writerow(["" if cell is None else safe(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def safe(text: str) -> str:
    """Given a text from outside, return it with an apostrophe wherever a spreadsheet would see a formula begin."""
    return _BEGINS.sub(r"\1'", _LINES.sub(" ", text))

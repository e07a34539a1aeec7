"""CSV for spreadsheets (RFC 4180), the only writer of it: no untrusted text becomes a formula. Pure.

A spreadsheet treats text that starts with = + - or @ as a formula, in their full-width forms too (OWASP, CSV
injection). It splits lines by a separator that depends on the locale, ";" or a tab in half of Europe, even in quotes,
so that a formula can also start within a text.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

Cell = str | int | float | None
_BEGINS = re.compile(r"""(^|[;\t|])(?=[\s"'\x00-\x1f\u200b-\u200f\u2060\ufeff]*[=+\-@＝＋－＠﹦﹢﹣﹫])""")
_LINES = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")


def as_csv(rows: Iterable[Sequence[Cell]]) -> str:
    """Given rows, return them as lines. Numbers are unchanged; texts are quoted, one line each, and never a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n", quoting=csv.QUOTE_NONNUMERIC)
    for row in rows:
        writer.writerow(["" if cell is None else safe(cell) if isinstance(cell, str) else cell for cell in row])
    return out.getvalue()


def safe(text: str) -> str:
    """Given an untrusted text, return it with an apostrophe wherever a spreadsheet would see the start of a formula."""
    return _BEGINS.sub(r"\1'", _LINES.sub(" ", text))

"""An HTML part to what was written and what was quoted: cut by its structure first, then by the text's."""

import re
from collections.abc import Mapping, Sequence

from redmine_mailbridge.mail.html.dialect import DIALECTS
from redmine_mailbridge.mail.html.quotes import find_marks
from redmine_mailbridge.mail.html.rows import TextRow, text_of
from redmine_mailbridge.mail.html.to_markup import Converter
from redmine_mailbridge.mail.html.tree import parse_html
from redmine_mailbridge.mail.text.quotes import judge
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class HtmlReading:
    """An HTML part, read: as `Body`, with the pictures shown. `delimited`: the admin's delimiter ends it."""

    written: str
    quoted: str
    whole: str
    rule: str = ""
    delimited: bool = False
    placed: frozenset[str] = frozenset()
    placed_in_quoted: frozenset[str] = frozenset()


def read_html(
    html: str, pictures: Mapping[str, str], text_format: TextFormat, delimiters: Sequence[re.Pattern[str]]
) -> HtmlReading:
    """Given an HTML part, convert it to `text_format` and split it. Never raises."""
    root = parse_html(html)
    if root is None:
        return HtmlReading("", "", "")
    rows = Converter(DIALECTS[text_format], pictures, find_marks(root)).run(root)
    verdict = judge(
        [row.plain for row in rows],
        delimiters,
        [row.quoted for row in rows],
        [row.attribution for row in rows],
    )
    kept = [row for row, keep in zip(rows, verdict.keep, strict=True) if keep]
    cut = [row for row, keep in zip(rows, verdict.keep, strict=True) if not keep]
    return HtmlReading(
        written=text_of(kept, text_format),
        quoted=text_of(cut, text_format),
        whole=text_of(rows[: verdict.ends], text_format),
        rule=verdict.rule,
        delimited=verdict.delimiter is not None,
        placed=_names(kept),
        placed_in_quoted=_names(cut) - _names(kept),
    )


def plain_rows(html: str) -> tuple[list[str], list[bool]]:
    """Given an HTML part, return its lines as plain text, and which of them it marks as quoted. Never raises."""
    root = parse_html(html)
    if root is None:
        return [], []
    rows = Converter(DIALECTS["common_mark"], {}, find_marks(root)).run(root)
    return [row.plain for row in rows], [row.quoted for row in rows]


def _names(rows: Sequence[TextRow]) -> frozenset[str]:
    return frozenset(name for row in rows for name in row.pictures)

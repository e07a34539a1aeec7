"""stub"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lxml.html

from redmine_mailbridge.mail.message import TextFormat


@dataclass(frozen=True, slots=True)
class HtmlReading:
    """An HTML part, read: as `Body`, with the names of the pictures shown."""

    written: str
    quoted: str
    whole: str
    rule: str = ""
    placed: frozenset[str] = frozenset()
    placed_in_quoted: frozenset[str] = frozenset()


def read_html(
    html: str, pictures: Mapping[str, str], text_format: TextFormat, delimiters: Sequence[re.Pattern[str]]
) -> HtmlReading:
    """stub"""
    try:
        text = lxml.html.fromstring(html).text_content()
    except (ValueError, lxml.etree.LxmlError):
        text = ""
    return HtmlReading(text.strip(), "", text.strip())

"""Words of a note within its markup: addresses become links, Redmine's own signs go. Pure."""

import html
import re

from redmine_mailbridge.mail.text.characters import JOINER

_TAGS = re.compile(r"</?(?:code|pre)(?:\s[^<>\n]{0,100})?>", re.IGNORECASE)
URL = r"(?:https?://|mailto:)[^\s<>\"']{1,2000}"
_URL = re.compile(URL)
_URL_TAIL = ".,;:!?)]}"
_MACRO_BEGINS = re.compile(r"\s{0,20}\{\{[a-z_]{1,40}(?:\([^()\n]{0,300}\))?\s{0,20}")
QUOTE = '<blockquote style="border-left:2px solid #ccc;padding-left:1ex">'
_WIKI = re.compile(r"\[\[([^\[\]\n]{1,300})\]\]")


def lines_of(note: str) -> list[str]:
    """Given a note, return its lines."""
    return note.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def is_brace(line: str) -> bool:
    """Is this line only the start or the end of a macro that encloses text?"""
    return _MACRO_BEGINS.fullmatch(line) is not None or line.strip() == "}}"


def escaped(text: str) -> str:
    """Given text, return it escaped for HTML."""
    return html.escape(without_tags(text))


def without_tags(text: str) -> str:
    """Given text, return it without code tags, and without the joiners that keep strangers' text from being parsed as
    Redmine markup.
    """
    return _TAGS.sub("", text).replace(JOINER, "")


def target(url: str) -> tuple[str, str]:
    """Given a bare URL, return it without the sentence's punctuation after it, and that punctuation."""
    end = len(url)
    while end and url[end - 1] in _URL_TAIL and not (url[end - 1] == ")" and "(" in url[:end]):
        end -= 1
    return url[:end], url[end:]


def link(url: str, shown: str) -> str:
    """An HTML link for an http, https or mailto URL; else the text and the URL. `shown` is HTML."""
    if not url.lower().startswith(("http://", "https://", "mailto:")):
        return f"{shown} ({html.escape(url)})"
    return f'<a href="{html.escape(url)}">{shown}</a>'


def plain(text: str) -> str:
    """Given text without other markup, return plain text: a link to a wiki page becomes its label."""
    return without_tags(_WIKI.sub(_wiki, text))


def linked(text: str) -> str:
    """Given text without other markup, return it as HTML, with bare URLs as links."""
    out, at, text = [], 0, _WIKI.sub(_wiki, text)
    for match in _URL.finditer(text):
        url, rest = target(match[0])
        out += [escaped(text[at : match.start()]), link(url, escaped(url)), escaped(rest)]
        at = match.end()
    return "".join([*out, escaped(text[at:])])


def _wiki(match: re.Match[str]) -> str:
    return match[1].rpartition("|")[2]

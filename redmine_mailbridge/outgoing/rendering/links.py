"""Addresses in the text of a note. Pure."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

_URL = re.compile(r"(?:https?://|mailto:)[^\s<>\"']{1,2000}")
_URL_TAIL = ".,;:!?)]}"
_SHOWN = re.compile(
    r"(?:(?:^|\s)|://(?:[^\s/@]{0,100}@)?)(?P<host>(?:[^\W_][\w-]{0,62}\.){1,8}(?!(?:png|jpe?g|gif|pdf|txt|csv|log|xml|json|docx?"
    r"|xlsx?|pptx?|html?)\b)[^\W\d_]{2,24})(?=[\s/:?#]|$)",
    re.IGNORECASE,
)
"""A host that a text names as an address. The endings of files are no top-level domains."""


def linked_parts(text: str) -> Iterator[tuple[str, bool]]:
    """Given a text, yield its parts in order, each with whether it is an address."""
    place = 0
    for match in _URL.finditer(text):
        url = _without_punctuation(match[0])
        yield text[place : match.start()], False
        yield url, True
        place = match.start() + len(url)
    yield text[place:], False


def other_host(shown: str, target: str) -> str:
    """Given what a link shows and where it leads, return the host of the target if the link shows an address of
    another one; else "".
    """
    try:
        host = (urlsplit(target).hostname or "").removeprefix("www.")
    except ValueError:
        return target
    for match in _SHOWN.finditer(shown[:2000]):
        named = match["host"].lower().removeprefix("www.")
        if host and named != host and not host.endswith(f".{named}"):
            return host
    return ""


def _without_punctuation(url: str) -> str:
    """Given a bare URL, return it without the sentence's punctuation after it."""
    end = len(url)
    while end and url[end - 1] in _URL_TAIL and not (url[end - 1] == ")" and "(" in url[:end]):
        end -= 1
    return url[:end]

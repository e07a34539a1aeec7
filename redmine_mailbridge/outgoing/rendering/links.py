"""Addresses in the text of a note. Pure."""

import re
from collections.abc import Iterator

_URL = re.compile(r"(?:https?://|mailto:)[^\s<>\"']{1,2000}")
_URL_TAIL = ".,;:!?)]}"


def linked_parts(text: str) -> Iterator[tuple[str, bool]]:
    """Given a text, yield its parts in order, each with whether it is an address."""
    place = 0
    for match in _URL.finditer(text):
        url, _ = _target(match[0])
        yield text[place : match.start()], False
        yield url, True
        place = match.start() + len(url)
    yield text[place:], False


def _target(url: str) -> tuple[str, str]:
    """Given a bare URL, return it without the sentence's punctuation after it, and that punctuation."""
    end = len(url)
    while end and url[end - 1] in _URL_TAIL and not (url[end - 1] == ")" and "(" in url[:end]):
        end -= 1
    return url[:end], url[end:]

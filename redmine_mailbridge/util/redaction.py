"""What of a log line may be shown: no secret and no message body; control characters have no effect."""

import datetime as dt
import functools
import re
from collections.abc import Mapping, MutableMapping
from pathlib import PurePath
from typing import Any

WITHHELD = "(withheld)"
LONGEST_VALUE = 2000
_DEEPEST = 3
_SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)?$|secret|api_?key|token|authori[sz]ation|cookie|credential", re.IGNORECASE
)
_BODY_NAMES = frozenset(
    ("body", "text", "html", "content", "raw", "raw_mail", "quoted", "written", "whole", "description", "notes")
)
_USER_INFO = re.compile(r"//[^/\s@]{1,400}@")
_LINES = (0x2028, 0x2029)
_BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_HALVES = range(0xD800, 0xE000)
_CONTROL = dict.fromkeys((*range(32), *range(127, 160), *_LINES, *_BIDI, *_HALVES), "\N{REPLACEMENT CHARACTER}")
_CONTROL |= {ord(white): " " for white in "\t\r\n"}


def withhold(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Given a log line's keys, return them without secrets and message bodies, by the names of keys and the types of
    values; strings on one line, without control characters, including bidirectional ones (they come from strangers),
    and of bounded length.
    """
    for name, value in event.items():
        if name not in ("exc_info", "_record", "_from_structlog"):
            event[name] = _plain(name, value)
    return event


@functools.lru_cache(maxsize=1000)
def _is_withheld(name: str) -> bool:
    """Given the name of a key, must its value never be shown?"""
    return _SECRET_NAME.search(name) is not None or name.lower() in _BODY_NAMES


def _plain(name: str, value: Any, depth: int = 0) -> Any:
    number = isinstance(value, bool | int | float | None)
    if not number and _is_withheld(name):
        return WITHHELD
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {str(key): _plain(str(key), below, depth + 1) for key, below in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < _DEEPEST:
        return [_plain(name, item, depth + 1) for item in value]
    return value if number else _words(value)


def _words(value: Any) -> str:
    """Given one value, return it as text if it is plain; else only its type, since it may contain a message."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"
    if isinstance(value, str | BaseException | PurePath | dt.date | dt.timedelta):
        return _USER_INFO.sub("//…@", str(value)[:LONGEST_VALUE]).translate(_CONTROL)
    return f"({type(value).__name__})"

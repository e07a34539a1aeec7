"""Logs: JSON for machines, lines for people, with the mail in hand bound to each; no secret and no mail body in any.

Every module asks `structlog.get_logger(__name__)` and names its event "station.what_happened" with plain keys.
"""

import datetime as dt
import functools
import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, TextIO

import structlog

from redmine_mailbridge.settings.models import LogSettings

WITHHELD = "(withheld)"
QUIET = ("alembic", "apscheduler", "asyncio", "chardet", "python_multipart", "tzlocal", "urllib3", "uvicorn")
STRANGERS = ("python_multipart", "uvicorn")
"""Libraries that warn of what strangers send: so many lines as they like, that would push all others out."""
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


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Given the settings, send all logs, those of libraries too, to a stream (standard error). May be called again."""
    stream = sys.stderr if stream is None else stream
    people = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        withhold,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendered(people, stream)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler, *(other for other in root.handlers if getattr(other, "lasting", False))]
    root.setLevel(settings.level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.ERROR if name in STRANGERS else logging.WARNING, root.level))


def _rendered(people: bool, stream: TextIO) -> list[structlog.typing.Processor]:
    """Return the last steps. Tracebacks are plain: the richer ones print local variables, and so passwords."""
    if people:
        return [
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=30
            )
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]


@contextmanager
def mail_in_hand(*, mailbox: str, uid: str = "", message_id: str = "") -> Iterator[None]:
    """Bind a mail to every log line of this thread within the block; what is "" is left as it was."""
    known = {"mailbox": mailbox, "uid": uid, "message_id": message_id}
    with structlog.contextvars.bound_contextvars(**{name: value for name, value in known.items() if value}):
        yield


def withhold(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Given a log line's keys, return them without secrets and mail bodies, by the names of keys and the types of
    values; strings on one line, without control characters, those of direction among them (they come from strangers),
    and of bounded length.
    """
    for name, value in event.items():
        if name not in ("exc_info", "_record", "_from_structlog"):
            event[name] = _plain(name, value)
    return event


@functools.lru_cache(maxsize=1000)
def _is_withheld(name: str) -> bool:
    """Given the name of a key, may its value never be shown?"""
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
    """Given one value, return it as text when it is plain; else only its type, since it may hold a mail."""
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"
    if isinstance(value, str | BaseException | PurePath | dt.date | dt.timedelta):
        return _USER_INFO.sub("//…@", str(value)[:LONGEST_VALUE]).translate(_CONTROL)
    return f"({type(value).__name__})"

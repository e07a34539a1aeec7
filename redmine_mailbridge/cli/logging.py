"""Logging: JSON for machines, lines for people, with the current message bound to each; never a secret or a body.

Every module calls `structlog.get_logger(__name__)` and names its events "component.what_happened" with plain keys.
"""

import logging
import sys
from typing import TextIO

import structlog

from redmine_mailbridge.settings.models import LogSettings
from redmine_mailbridge.util.redaction import withhold

QUIET = ("alembic", "apscheduler", "asyncio", "chardet", "python_multipart", "tzlocal", "urllib3", "uvicorn")
STRANGERS = ("python_multipart", "uvicorn")
"""Libraries that warn about hostile input: an outsider could cause any number of lines and push out all others."""


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Given the settings, send all logs, including those of libraries, to a stream (stderr). May be called again."""
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
    """Return the last processors. Tracebacks are plain: the richer ones print local variables, and so passwords."""
    if people:
        return [
            structlog.dev.ConsoleRenderer(
                colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=30
            )
        ]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]

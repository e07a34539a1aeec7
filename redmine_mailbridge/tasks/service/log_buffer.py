"""Writes log lines to the store in batches, so that the admin page can display the latest ones."""

import logging
import threading
from collections import deque
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.store.admin_sessions import KEPT_ENTRIES, LogBuffer
from redmine_mailbridge.util.error_boundary import Enduring
from redmine_mailbridge.util.redaction import withhold

EVERY = 1.0
"""Seconds between two batches."""


class LogBufferHandler(logging.Handler):
    """Collects lines, which its own thread writes. Lines that the store cannot take are dropped without waiting."""

    lasting = True
    """It stays when the settings of the log change."""

    def __init__(self, log_buffer: LogBuffer) -> None:
        super().__init__()
        self._log_buffer = log_buffer
        self._lines: deque[MutableMapping[str, Any]] = deque(maxlen=KEPT_ENTRIES)
        self._stop = threading.Event()
        self._thread = Enduring("log-buffer", self._run, self._stop)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Add a line formatted by structlog, or a library's, without secrets and mail bodies."""
        line = dict(record.msg) if isinstance(record.msg, dict) else self._foreign(record)
        line["timestamp"] = record.created
        self._lines.append({k: v for k, v in line.items() if not str(k).startswith("_") and k != "exc_info"})

    @staticmethod
    def _foreign(record: logging.LogRecord) -> dict[str, Any]:
        try:
            event = record.getMessage()
        except Exception:  # noqa: BLE001 - a library's arguments do not fit its format, or cannot be written out
            event = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        line = {"event": event, "level": record.levelname.lower(), "logger": record.name}
        return dict(withhold(None, "", line))

    def flush(self) -> None:
        """Write the collected lines."""
        lines = []
        while self._lines:
            with suppress(IndexError):
                lines.append(self._lines.popleft())
        with suppress(StoreError):
            self._log_buffer.add(lines)

    def close(self) -> None:
        """Write the remaining lines and end."""
        self._stop.set()
        self._thread.join(timeout=5)
        super().close()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self.flush()
        self.flush()


@contextmanager
def kept_in(log_buffer: LogBuffer) -> Iterator[None]:
    """Write log lines to the store within the block."""
    handler = LogBufferHandler(log_buffer)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()

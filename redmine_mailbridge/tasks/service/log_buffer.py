"""Puts the lines of the log into the store too, in batches, so that the admin page can show the last ones."""

import logging
import threading
from collections import deque
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.store.admin_sessions import KEPT_ENTRIES, LogRing
from redmine_mailbridge.util.error_boundary import Enduring
from redmine_mailbridge.util.redaction import withhold

EVERY = 1.0
"""Seconds between two batches."""


class RingHandler(logging.Handler):
    """Collects lines; a thread of its own puts them down. What the store will not take is dropped, never waited for."""

    lasting = True
    """It stays when the settings of the log change."""

    def __init__(self, ring: LogRing) -> None:
        super().__init__()
        self._ring = ring
        self._lines: deque[MutableMapping[str, Any]] = deque(maxlen=KEPT_ENTRIES)
        self._stop = threading.Event()
        self._thread = Enduring("log-ring", self._run, self._stop)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line as structlog has made it, or a library's, without secrets and mail bodies."""
        line = dict(record.msg) if isinstance(record.msg, dict) else self._foreign(record)
        line["timestamp"] = record.created
        self._lines.append({k: v for k, v in line.items() if not k.startswith("_") and k != "exc_info"})

    @staticmethod
    def _foreign(record: logging.LogRecord) -> dict[str, Any]:
        line = {"event": record.getMessage(), "level": record.levelname.lower(), "logger": record.name}
        return dict(withhold(None, "", line))

    def flush(self) -> None:
        """Put down what has been collected."""
        lines = []
        while self._lines:
            with suppress(IndexError):
                lines.append(self._lines.popleft())
        with suppress(StoreError):
            self._ring.add(lines)

    def close(self) -> None:
        """Put down the rest and end."""
        self._stop.set()
        self._thread.join(timeout=5)
        super().close()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self.flush()
        self.flush()


@contextmanager
def kept_in(ring: LogRing) -> Iterator[None]:
    """Keep the log's lines in the store within the block."""
    handler = RingHandler(ring)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()

"""Redmine's text formatting: the API does not report it, but the help page of newer versions does."""

import re
import threading
import time
from collections.abc import Callable
from typing import get_args

from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.redmine.client import Connection

_CHOICE = " or ".join(f'text_format = "{name}"' for name in get_args(TextFormat))
NO_FORMAT = (
    "[redmine] text_format is not set, and this Redmine does not report it (versions before 6.0 never do): set "
    f"{_CHOICE}, as in Administration, Settings, General (Redmine before 6.0 uses Textile by default)"
)
_TITLE = re.compile(rb"<title>([^<]{0,200})</title>")


def text_format(connection: Connection) -> TextFormat | str | None:
    """Given Redmine's address, return "common_mark", "textile", the name of another format, or None if unknown.

    Redmine before 6.0 serves the help pages of all formats alike, and one that is closed to anonymous visitors, or
    behind a login page, serves none.
    """
    session = connection.session(connection.connect_timeout, 10.0)
    try:
        answer = session.get(f"{connection.url.rstrip('/')}/help/wiki_syntax/detailed")
    except OSError:  # includes the errors of requests
        return None
    finally:
        session.close()
    match = _TITLE.search(answer.content[:5000]) if answer.status_code == 200 else None
    title = match[1].decode("utf-8", "replace").lower() if match else ""
    if "commonmark" in title:
        return "common_mark"
    named = next((name for name in ("textile", "markdown") if name in title), None)
    body = answer.content.lower() if title and named is None else b""  # few Textile pages have it in the title
    return "textile" if b"wiki_syntax" in body and b"textile" in body else named


class FormatWatch:
    """Checks that Redmine still uses the format in which texts are `written`. Thread-safe.

    The format at creation is trusted for `ttl` seconds, and so is each matching response; if Redmine does not
    report it, it matches. A text escaped for one format may become active in another.
    """

    def __init__(
        self, connection: Connection, written: TextFormat, ttl: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = connection
        self._written = written
        self._ttl = ttl
        self._clock = clock
        self._lock = threading.Lock()
        self._believed_until = clock() + ttl

    def unfit(self, *, now: bool = False) -> str:
        """Return the mismatch, in one line that says what to change; "" if there is none. One request at most;
        `now`: ignore the cache.
        """
        with self._lock:
            if not now and self._clock() < self._believed_until:
                return ""
            actual = text_format(self._connection)
            if actual not in {None, self._written}:
                return (
                    f"Redmine's text formatting is {actual}, but the bridge writes {self._written}: set [redmine] "
                    f'text_format = "{actual}", or remove it, and reload the service'
                )
            self._believed_until = self._clock() + self._ttl
            return ""

"""smtplib's clients, which no server can keep listening for ever."""

import smtplib
from collections.abc import Callable
from typing import Any

from urllib3.util.wait import wait_for_write

END = len(b".\r\n")
"""Bytes without which a mail is not complete (RFC 5321 section 4.5.2)."""
MOST_LINES = 10_000
"""Lines of one answer: EHLO has one for each extension."""


class _Lines:
    """A file of lines of which only so many are read."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.lines = 0

    def readline(self, limit: int) -> bytes:
        """The next line, at most this many bytes of it."""
        self.lines += 1
        if self.lines > MOST_LINES:
            raise OSError(f"the server says more than {MOST_LINES} lines and no end")
        line: bytes = self._file.readline(limit)
        return line

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class _Bounded:
    """Counts the lines of an answer. Calls `before_end` directly before the end of a mail is sent."""

    file: Any
    sock: Any
    before_end: Callable[[], object] | None = None

    def send(self, s: Any) -> None:
        """As smtplib says. Commands are text, the content of a mail is bytes."""
        if self.before_end is None or isinstance(s, str):
            super().send(s)  # type: ignore[misc]  # of smtplib.SMTP
            return
        super().send(s[:-END])  # type: ignore[misc]  # of smtplib.SMTP
        wait_for_write(self.sock, self.sock.gettimeout())  # so that it does not wait in the middle of the end
        self.before_end()
        super().send(s[-END:])  # type: ignore[misc]  # of smtplib.SMTP

    def getreply(self) -> tuple[int, bytes]:
        """As smtplib says: SMTPServerDisconnected when the server does not come to an end."""
        if self.file is None and self.sock is not None:
            self.file = _Lines(self.sock.makefile("rb"))
        if self.file is not None:
            self.file.lines = 0
        reply: tuple[int, bytes] = super().getreply()  # type: ignore[misc]  # of smtplib.SMTP
        return reply


class SmtpClient(_Bounded, smtplib.SMTP):
    """A connection that begins without TLS."""


class SmtpTlsClient(_Bounded, smtplib.SMTP_SSL):
    """A connection under TLS."""

"""smtplib's clients, which no server can keep listening for ever."""

import smtplib
from typing import Any

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
    """Counts the lines of an answer."""

    file: Any
    sock: Any

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

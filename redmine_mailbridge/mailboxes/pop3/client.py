"""poplib's clients, which no server can keep listening for ever."""

import contextlib
import poplib
import ssl
from typing import Any

MOST_LINES = 1_000_000
"""Lines of one answer, mails not counted: a listing has one for each mail."""


class _Bounded:
    """Counts the lines of an answer; closes its socket, which poplib leaves open, when the greeting is a refusal."""

    lines = 0

    def _putline(self, line: bytes) -> None:
        self.lines = 0
        super()._putline(line)  # type: ignore[misc]  # of poplib.POP3

    def _getline(self) -> Any:
        self.lines += 1
        if self.lines > MOST_LINES:
            raise OSError(f"the server says more than {MOST_LINES} lines and no end")
        return super()._getline()  # type: ignore[misc]  # of poplib.POP3


class Pop3Client(_Bounded, poplib.POP3):
    """A connection that begins without TLS."""

    def __init__(self, host: str, port: int, timeout: float) -> None:
        try:
            super().__init__(host, port, timeout)
        except BaseException:
            hang_up(self)
            raise


class Pop3TlsClient(_Bounded, poplib.POP3_SSL):
    """The same under TLS."""

    def __init__(self, host: str, port: int, timeout: float, tls: ssl.SSLContext | None) -> None:
        try:
            super().__init__(host, port, timeout=timeout, context=tls)
        except BaseException:
            hang_up(self)
            raise


def hang_up(client: poplib.POP3) -> None:
    """Given a client in any state, close its socket; never raises."""
    if hasattr(client, "file"):
        with contextlib.suppress(OSError, poplib.error_proto):
            client.close()

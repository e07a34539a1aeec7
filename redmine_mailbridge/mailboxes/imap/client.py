"""imaplib's clients, which no server can keep listening for ever, and how imap-tools makes them."""

import imaplib
from collections.abc import Callable
from typing import Any

from imap_tools import MailBox, MailBoxUnencrypted

MOST_LINES = 200_000
"""Lines of one answer, literals not counted: more than any folder needs."""


class _Bounded:
    """Counts the lines of an answer, also where imaplib itself waits for more (a challenge, a capability). Calls
    `before_piece` directly before each piece of a command is sent: a message to store follows the server's consent, and
    the command's last line end follows the message.
    """

    lines = 0
    before_piece: Callable[[], object] | None = None

    def send(self, data: Any) -> None:
        """As imaplib says."""
        if self.before_piece is not None:
            self.before_piece()
        super().send(data)  # type: ignore[misc]  # of imaplib.IMAP4

    def _get_response(self) -> Any:
        self.lines += 1
        if self.lines > MOST_LINES:
            raise imaplib.IMAP4.abort(f"the server says more than {MOST_LINES} lines and no end")
        return super()._get_response()  # type: ignore[misc]  # of imaplib.IMAP4


class ImapClient(_Bounded, imaplib.IMAP4):
    """A connection that begins without TLS."""


class ImapTlsClient(_Bounded, imaplib.IMAP4_SSL):
    """A connection under TLS."""


class PlainBox(MailBoxUnencrypted):
    """Makes a `ImapClient`."""

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return ImapClient(self._host, self._port, self._timeout)


class TlsBox(MailBox):
    """Makes a `ImapTlsClient`."""

    def _get_mailbox_client(self) -> imaplib.IMAP4:
        return ImapTlsClient(self._host, self._port, ssl_context=self._ssl_context, timeout=self._timeout)

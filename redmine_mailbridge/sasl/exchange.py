"""One SASL exchange: the challenges of a server and our replies (RFC 4422, section 3), for IMAP, POP3 and SMTP."""

from base64 import b64decode, b64encode

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.sasl.bearer import error_in_words
from redmine_mailbridge.sasl.mechanism import Credentials
from redmine_mailbridge.sasl.selection import MECHANISMS
from redmine_mailbridge.util.printable import printable_line
from redmine_mailbridge.util.redact import redact

MAX_CHALLENGES = 10
"""No mechanism needs more; a server that sends more never ends the exchange."""
CANCEL = "*"
"""The line by which a client cancels (RFC 4954, section 4; RFC 5034, section 4)."""


class Exchange:
    """Answers challenges by one mechanism, until the server ends the exchange. `where` is the server, for errors."""

    def __init__(self, name: str, who: Credentials, where: str = "") -> None:
        self._name = name
        self._where = f"{where}: " if where else ""
        self._secrets = who.secrets
        self._mechanism = MECHANISMS[name](who)
        self._challenges = 0
        self._error = b""
        self._cancelled = False

    @property
    def hint(self) -> str:
        """The error that the server sent in place of a challenge (JSON, RFC 7628 section 3.2.2) and what it means, on
        one line without secrets; empty when it sent none.
        """
        error_text = redact(self._error.decode("utf-8", "replace"), self._secrets)
        return printable_line(f"{error_text[:400]} {error_in_words(error_text.encode())}")

    def answer(self, challenge: bytes) -> bytes | None:
        """Given a decoded challenge (empty when the client begins), return the reply. Return None to cancel.

        Raise LoginRefused when the server sends another challenge after that.
        """
        if self._cancelled:
            raise LoginRefused(f"{self._where}{self._name}: the server sends challenges without an end")
        self._challenges += 1
        if challenge.startswith(b"{"):
            self._error = challenge
        reply = self._mechanism.answer(challenge) if self._challenges <= MAX_CHALLENGES else None
        self._cancelled = reply is None
        return reply

    def line(self, challenge: bytes = b"") -> str:
        """Given a challenge in base64, return the line to send: the reply in base64, or `CANCEL`. Raise as `answer`.

        An old Exchange begins NTLM with words in place of a challenge; what is not base64 counts as empty.
        """
        first = self._challenges == 0
        try:
            decoded = b64decode(challenge.strip(), validate=True)
        except ValueError:
            decoded = b""
        reply = self.answer(b"" if first and self._name == "NTLM" else decoded)
        return CANCEL if reply is None else b64encode(reply).decode()

    def reply(self, challenge: bytes | None) -> bytes:
        """The same in bytes, for imaplib; None is an empty challenge."""
        return self.line(challenge or b"").encode()

"""SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677) by scramp: the server proves itself too.

Names and passwords are prepared by SASLprep (RFC 4013), so that a password is the same however it was typed.
"""

from scramp import ScramClient, ScramException
from scramp.core import Gs2Header

from redmine_mailbridge.sasl.bearer_messages import gs2_header
from redmine_mailbridge.sasl.mechanism import Credentials


class OnBehalf(Gs2Header):  # type: ignore[misc]  # scramp has no types
    """The header of a login that opens another user's mailbox: `n,a=NAME,` (RFC 5802 section 7)."""

    def __init__(self, mailbox: str) -> None:
        super().__init__("n", None)
        self.mailbox = mailbox

    def __str__(self) -> str:
        return gs2_header(self.mailbox)

    def __bytes__(self) -> bytes:
        return str(self).encode()


class Scram:
    """Client-first, client-final, and an empty response if the server's signature is right.

    A name or password that SASLprep forbids (control characters, unassigned ones) cannot be used: no response.
    """

    def __init__(self, who: Credentials, mechanism: str) -> None:
        self.step = 0
        try:
            self.client = ScramClient([mechanism], who.user, who.password)
        except ScramException:
            self.client = None
            return
        if who.authorize_as:
            self.client.gs2_header = OnBehalf(who.authorize_as)

    def answer(self, challenge: bytes) -> bytes | None:
        """Given the server's message, return the response; None if the server does not prove that it knows the
        password."""
        self.step += 1
        if self.client is None:
            return None
        try:
            if self.step == 1:
                return bytes(self.client.get_client_first(), "utf-8")
            if self.step == 2:
                self.client.set_server_first(challenge.decode())
                return bytes(self.client.get_client_final(), "utf-8")
            if self.step == 3:
                self.client.set_server_final(challenge.decode())
                return b""
        except (ScramException, UnicodeDecodeError):
            return None
        return None

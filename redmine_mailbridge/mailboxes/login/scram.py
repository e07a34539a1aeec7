"""SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677) by scramp: the server proves itself too."""

from scramp import ScramClient, ScramException

from redmine_mailbridge.mailboxes.login.base import Credentials


class Scram:
    """Client-first, client-final, and an empty answer once the server's signature is right."""

    def __init__(self, who: Credentials, mechanism: str) -> None:
        self.client = ScramClient([mechanism], who.user, who.password)
        self.step = 0

    def answer(self, challenge: bytes) -> bytes | None:
        """Given the server's message, return ours; None when the server does not prove that it knows the password."""
        self.step += 1
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

"""PLAIN (RFC 4616): the password itself, in UTF-8, with the authorization identity of a shared mailbox."""

from redmine_mailbridge.sasl.mechanism import Credentials


class Plain:
    """authzid NUL authcid NUL password, in one message."""

    def __init__(self, who: Credentials) -> None:
        self.who = who

    def answer(self, _challenge: bytes) -> bytes | None:
        """Given the empty challenge, return the one message."""
        return f"{self.who.authorize_as}\0{self.who.user}\0{self.who.password}".encode()

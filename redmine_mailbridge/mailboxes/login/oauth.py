"""OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's and Microsoft's own): an access token instead of a password."""

from redmine_mailbridge.mailboxes.login.base import Credentials


class OauthBearer:
    """GS2 header with the mailbox's name, then the token; the server's error is acknowledged with one byte."""

    def __init__(self, who: Credentials) -> None:
        self.who = who
        self.sent = False

    def answer(self, _challenge: bytes) -> bytes | None:
        """Given the empty challenge, return the token; given the server's error (JSON), acknowledge it."""
        if self.sent:
            return b"\x01"
        self.sent = True
        name = self.who.mailbox.replace("=", "=3D").replace(",", "=2C")
        return f"n,a={name},\x01auth=Bearer {self.who.token}\x01\x01".encode()


class Xoauth2:
    """user= the mailbox's name (a shared mailbox's own), then the token."""

    def __init__(self, who: Credentials) -> None:
        self.who = who
        self.sent = False

    def answer(self, _challenge: bytes) -> bytes | None:
        """Given the empty challenge, return the token; given the server's error (JSON), acknowledge it."""
        if self.sent:
            return b""
        self.sent = True
        return f"user={self.who.mailbox}\x01auth=Bearer {self.who.token}\x01\x01".encode()

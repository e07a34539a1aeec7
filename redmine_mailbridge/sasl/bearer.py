"""OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's and Microsoft's own): an access token in place of a password."""

from redmine_mailbridge.sasl import bearer_messages
from redmine_mailbridge.sasl.mechanism import Credentials


def error_in_words(challenge: bytes) -> str:
    """Given a server's error (JSON), return its meaning in parentheses, or nothing."""
    words = bearer_messages.in_words(challenge)
    return f"({words})" if words else ""


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
        return bearer_messages.oauthbearer(self.who.mailbox, self.who.token)


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
        return bearer_messages.xoauth2(self.who.mailbox, self.who.token)

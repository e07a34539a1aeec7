"""CRAM-MD5 (RFC 2195): the password is never sent, only a keyed digest of the server's challenge."""

import hmac

from redmine_mailbridge.sasl.mechanism import Credentials


class CramMd5:
    """username SP hex(HMAC-MD5(password, challenge))."""

    def __init__(self, who: Credentials) -> None:
        self.who = who

    def answer(self, challenge: bytes) -> bytes | None:
        """Given the challenge, return the digest; None when the server sent no challenge."""
        if not challenge:
            return None
        digest = hmac.new(self.who.password.encode(), challenge, "md5").hexdigest()
        return f"{self.who.user} {digest}".encode()

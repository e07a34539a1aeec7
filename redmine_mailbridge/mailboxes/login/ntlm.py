"""NTLM (MS-NLMP), by pyspnego, for old Exchange servers: only when the settings ask for it by name."""

from typing import Any

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.mailboxes.login.base import Credentials

MISSING = "NTLM needs the package pyspnego, which is not installed: pip install 'redmine-mailbridge[ntlm]'"


class Ntlm:
    r"""Negotiate, and authenticate against the server's challenge; the name may be `DOMAIN\user`.

    Raise LoginRefused when pyspnego is not installed.
    """

    def __init__(self, who: Credentials) -> None:
        try:
            import spnego  # noqa: PLC0415 - an extra, and slow to load
            import spnego.exceptions  # noqa: PLC0415 - as above
        except ImportError:
            raise LoginRefused(MISSING) from None
        self._fault: type[Exception] = spnego.exceptions.SpnegoError
        options = spnego.NegotiateOptions.use_ntlm
        self.client: Any = spnego.client(who.user, who.password, protocol="ntlm", options=options)

    def answer(self, challenge: bytes) -> bytes | None:
        """Given the server's message (empty at first), return ours; None when it makes no sense."""
        try:
            reply: bytes | None = self.client.step(challenge or None)
        except (self._fault, ValueError):
            return None
        return reply

"""NTLM (MS-NLMP), by pyspnego, for old Exchange servers: only if the settings request it by name."""

import struct
from typing import TYPE_CHECKING, Any

from redmine_mailbridge.errors import LoginRefused
from redmine_mailbridge.sasl.mechanism import Credentials
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    import spnego
    import spnego.exceptions as spnego_exceptions
else:
    spnego = lazy_import("spnego")
    spnego_exceptions = lazy_import("spnego.exceptions")

MISSING = "NTLM needs the package pyspnego, which is not installed; run pip install 'redmine-mailbridge[ntlm]'"


class Ntlm:
    r"""Negotiate, and authenticate against the server's challenge; the name may be `DOMAIN\user`.

    Raise LoginRefused if pyspnego is not installed.
    """

    def __init__(self, who: Credentials) -> None:
        try:
            client = spnego.client
            self._fault: type[Exception] = spnego_exceptions.SpnegoError
        except ImportError:  # an extra
            raise LoginRefused(MISSING) from None
        options = spnego.NegotiateOptions.use_ntlm
        self.client: Any = client(who.user, who.password, protocol="ntlm", options=options)

    def answer(self, challenge: bytes) -> bytes | None:
        """Given the server's message (empty at first), return the response; None if it is invalid."""
        try:
            reply: bytes | None = self.client.step(challenge or None)
        except (self._fault, ValueError, LookupError, struct.error):  # of a message that is too short, or none of NTLM
            return None
        return reply

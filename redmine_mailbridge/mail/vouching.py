"""By which name the mail server of a mailbox says what it found out about senders: read from mails that lie there."""

from redmine_mailbridge.mail import authres
from redmine_mailbridge.mail.mime import received
from redmine_mailbridge.mail.mime.encoded_words import unfold
from redmine_mailbridge.mail.mime.header_block import read_fields

NAMELESS = "*"
"""Represents a field without a name, as Microsoft 365 writes it."""
_GOOGLE = frozenset({"mx.google.com"})
"""Whose servers hand a mail on among themselves before it lies in its mailbox."""


def voucher(raw: bytes) -> str | None:
    """Given the first bytes of a mail as its server hands it out, return the authserv-id (RFC 8601 section 2.2) of the
    topmost Authentication-Results that this server can have written: above every Received; or, as Google writes it,
    right below the first by which the mail came in, where a host of that name's organisation wrote that one. NAMELESS
    for one without a name; None when there is none, or it is not written as the RFC says.

    Fields further below, or with any other name, came with the message. A mail may bring along the server's own
    name, and where the server writes no Received either, any: this is a guess for a person to confirm.
    """
    above: received.Hop | None = None
    for key, value in read_fields(raw, 0, len(raw))[0]:
        if key.lower() == "received":
            if above is not None and not received.is_inner(above, _GOOGLE):
                return None
            above = received.read(unfold(value))
        if key.lower() == "authentication-results":
            try:
                name = authres.parse(unfold(value))[0] or NAMELESS
            except authres.MalformedField:
                return None
            return name if above is None or received.wrote(above, name) else None
    return None

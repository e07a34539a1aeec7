"""By which name the mail server of a mailbox says what it found out about senders: read from mails that lie there."""

from redmine_mailbridge.mail import authres
from redmine_mailbridge.mail.mime.encoded_words import unfold
from redmine_mailbridge.mail.mime.header_block import read_fields

NAMELESS = "*"
"""Stands for a field that names nobody, as Microsoft 365 writes it."""


def voucher(raw: bytes) -> str | None:
    """Given the first bytes of a mail as its server hands it out, return the authserv-id (RFC 8601 section 2.2) of the
    topmost Authentication-Results that this server can have written: above every Received, or right below the first, as
    Google writes it. NAMELESS for one without a name; None when there is none, or it is not written as the RFC says.

    What stands further below came with the mail. Where the server writes none at all, a mail may bring one along in
    that place, so that this is a guess for a person to confirm.
    """
    received = 0
    for name, value in read_fields(raw, 0, len(raw))[0]:
        key = name.lower()
        received += key == "received"
        if received > 1:
            return None
        if key == "authentication-results":
            try:
                return authres.parse(unfold(value))[0] or NAMELESS
            except authres.Malformed:
                return None
    return None

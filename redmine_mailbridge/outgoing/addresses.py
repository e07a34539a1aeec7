"""Which addresses mail can be sent to, in the form for envelopes and header fields. Pure."""

import unicodedata

from redmine_mailbridge.mail.mime.address_syntax import ascii_host, is_local_part, unquoted
from redmine_mailbridge.model.mail import Address

LONGEST = 320
_SYSTEMS = frozenset({"mailer-daemon", "postmaster"})


def mailable(person: Address) -> Address | None:
    """Given whom a stranger's mail names, return it as an address that can stand in a header and an envelope, its
    domain in ASCII (IDNA 2008); None when it cannot: nothing but the writer's own fault keeps mail from there.

    The local part may contain characters beyond ASCII: only a server with SMTPUTF8 accepts it (RFC 6531).
    """
    local, at, domain = person.address.strip().rpartition("@")
    host, local = ascii_host(domain), unquoted(local)
    if not at or host is None or not is_local_part(local) or len(local) + len(host) >= LONGEST:
        return None
    return Address(person.name, f"{local}@{host}")


def comparable(address: str) -> str:
    """Given an address as somebody wrote it, return what to compare it by: lower case, the domain in ASCII."""
    local, at, domain = address.strip().rpartition("@")
    return f"{local}{at}{ascii_host(domain) or domain}".lower()


def is_mail_system(address: str) -> bool:
    """Is it an address that mail systems speak from (RFC 5321 section 4.5.1, RFC 3834 section 2)?"""
    return address.rpartition("@")[0].lower() in _SYSTEMS


def plain_name(name: str) -> str:
    """Given a stranger's display name, return it when it says nothing but a name: at most 40 letters, blanks, hyphens
    and apostrophes; else "".
    """
    name = unicodedata.normalize("NFC", " ".join(name.split()))
    is_plain = len(name) <= 40 and all(unicodedata.category(sign)[0] in "LM" or sign in " -'’" for sign in name)
    return name if is_plain else ""

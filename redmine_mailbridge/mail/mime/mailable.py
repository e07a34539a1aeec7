"""Which addresses mail can be sent to, in the form for envelopes and header fields, and how two are compared. Pure."""

from redmine_mailbridge.mail.mime.address_syntax import ascii_host, is_local_part, unquoted
from redmine_mailbridge.model.mail import Address

LONGEST = 320


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

"""The senders that a person has blocked or allowed: which entries may be about an address, and which of them counts.

An entry of a person is newer and more exact than a list of the settings, and takes precedence over it. Of several
entries the most exact counts: an address before its domain, a domain before those above it.
"""

from redmine_mailbridge.mail.domains import is_public_suffix, organisation
from redmine_mailbridge.mail.mime.address_syntax import ascii_host, is_local_part, unquoted, ways_to_write
from redmine_mailbridge.model.sender_list import ListedSender

MOST_LABELS = 10
LONGEST = 254


def candidates(address: str) -> tuple[str, ...]:
    """Given an address, return the patterns that may stand for it in the list, the most exact first; an empty tuple
    for other text.
    """
    local, at, domain = address.lower().rpartition("@")
    if not local or not at or not domain:
        return ()
    ways = sorted(ways_to_write(address))
    domains = list(dict.fromkeys(way.rpartition("@")[2] for way in ways))
    labels = {domain: domain.split(".")[-MOST_LABELS:] for domain in domains}
    above = [
        f"*.{'.'.join(labels[domain][start:])}"
        for start in range(1, MOST_LABELS)
        for domain in domains
        if start < len(labels[domain])
    ]
    return (*ways, *domains, *above)


def listed(address: str, entries: tuple[ListedSender, ...]) -> ListedSender | None:
    """Given an address, return the entry that counts for it, None if none does."""
    if not entries:  # as for most mails
        return None
    known = {entry.pattern: entry for entry in entries}
    return next((known[pattern] for pattern in candidates(address) if pattern in known), None)


def pattern_of(text: str) -> str:
    """Given what a person typed, return the pattern. Raise ValueError, saying why, if it is none.

    "someone@example.com", "example.com" or "@example.com", "*.example.com"; the domain in lower case and in ASCII
    (IDNA 2008), so that a sender has one entry however it is written. A public suffix ("com", "co.uk") has no owner
    and is rejected; an address at a host of the local network ("root@intranet") is one sender like any other.
    """
    local, at, domain = text.strip().removeprefix("@").rpartition("@")
    below = "*." if not at and domain.startswith("*.") else ""
    host, local = ascii_host(domain.removeprefix(below)), unquoted(local)
    if host is None or len(text) > LONGEST or (at and ("*" in local or not is_local_part(local))):
        raise ValueError("is neither an address nor a domain")
    if is_public_suffix(host) or (not at and not organisation(host)):
        raise ValueError("is neither an address nor a domain that somebody owns")
    return f"{local}{at}{below}{host}".lower()

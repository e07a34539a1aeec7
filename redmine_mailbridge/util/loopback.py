"""Which hosts are this machine."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Given a host's name or address, an IPv6 address also in brackets, can it only be this machine? (RFC 6761 section
    6.3: `localhost` and names that end in `.localhost`.)
    """
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False

"""Where somebody comes from: addresses as they are compared and counted. Pure."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def plain(address: str) -> Address | None:
    """Given an address from a socket, return it, an IPv4 address that came by an IPv6 socket as itself; None
    when it is none.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def network(address: str) -> str:
    """Given an address, return the network that identifies its owner: an IPv4 address, or the /64 of
    an IPv6 address, which is the least that one customer of a provider has.
    """
    found = plain(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found or address)


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Given an address and networks ("10.0.0.5", "10.0.0.0/24"), is it in one of them?"""
    found = plain(address)
    return found is not None and any(found in ipaddress.ip_network(one, strict=False) for one in networks)

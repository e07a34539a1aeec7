"""Where somebody comes from: addresses as they are compared and counted. Pure."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def plain(address: str) -> Address | None:
    """Given an address from a socket, return it, an IPv4 address that came by an IPv6 socket as itself; None
    when it is none.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def network(address: str) -> str:
    """Given an address, return the network that identifies its owner: an IPv4 address, or the /64 of
    an IPv6 address, which is the least that one customer of a provider has.
    """
    ip = plain(address)
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip or address)


def is_within(address: str, networks: Iterable[str]) -> bool:
    """Given an address and networks ("10.0.0.5", "10.0.0.0/24"), is it in one of them?"""
    ip = plain(address)
    return ip is not None and any(ip in ipaddress.ip_network(subnet, strict=False) for subnet in networks)

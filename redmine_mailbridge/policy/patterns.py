"""Does a pattern of the settings fit this mail? The one place where allow lists, block lists and rules look."""

from collections.abc import Mapping

from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.settings.patterns import Pattern


def sender_fits(pattern: str, message: Message) -> bool:
    """Given an entry of an allow or block list, return whether the mail's sender, or one of its headers, fits."""
    if pattern == "*":
        return True
    if pattern.startswith("/"):
        return Pattern(pattern).search(str(message.sender)) is not None
    name, colon, wanted = pattern.partition(": ")
    if colon:
        return header_fits(message, name, wanted) is not None
    return address_fits(pattern, message.sender.address)


def address_fits(pattern: str, address: str) -> bool:
    """Given an address, a domain (with or without @) or "*.domain", return whether the address fits, in any case."""
    pattern, address = pattern.lower(), address.lower()
    domain = address.rpartition("@")[2]
    if pattern.startswith("*."):
        return domain.endswith(pattern[1:])
    if "@" in pattern and not pattern.startswith("@"):
        return pattern == address
    return "@" in address and domain == pattern.removeprefix("@")


def header_fits(message: Message, name: str, pattern: str) -> Mapping[str, str] | None:
    """Given a header field's name and a pattern, return the named groups of its first value that fits, or None."""
    wanted, compiled = name.lower(), Pattern(pattern)
    values = (value for key, value in message.headers if key.lower() == wanted)
    return next((found for value in values if (found := compiled.search(value)) is not None), None)

"""Matches patterns of the settings against a message: the only place used by allow lists, block lists and rules."""

from collections.abc import Iterable, Mapping, Sequence

from redmine_mailbridge.mail.mime.address_syntax import ways_to_write
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.settings.patterns import Pattern


def sender_fits(pattern: str, message: Message) -> bool:
    """Given an entry of an allow or block list, return whether the message's sender, or one of its headers, matches."""
    if pattern == "*":
        return True
    if pattern.startswith("/"):
        return Pattern(pattern).search(str(message.sender)) is not None
    name, colon, value_pattern = pattern.partition(": ")
    if colon:
        return header_fits(message, name, value_pattern) is not None
    return address_fits(pattern, message.sender.address)


def first_fitting(patterns: Iterable[str], message: Message) -> str | None:
    """Given the entries of a list, return the first that `sender_fits`; None if none does."""
    return next((pattern for pattern in patterns if sender_fits(pattern, message)), None)


def first_blocking(patterns: Sequence[str], message: Message) -> str | None:
    """Given the entries of a block list, return the first that fits the sender, in whatever way the sender's address is
    written; None if none does.
    """
    ways = ways_to_write(message.sender.address) if patterns else frozenset()
    fitting = (
        pattern
        for pattern in patterns
        if sender_fits(pattern, message) or any(address_fits(pattern, way) for way in ways)
    )
    return next(fitting, None)


def address_fits(pattern: str, address: str) -> bool:
    """Given an address, a domain (with or without @) or "*.domain", return whether the address matches, in any case."""
    pattern, address = pattern.lower(), address.lower()
    domain = address.rpartition("@")[2]
    if pattern.startswith("*."):
        return domain.endswith(pattern[1:])
    if "@" in pattern and not pattern.startswith("@"):
        return pattern == address
    return "@" in address and domain == pattern.removeprefix("@")


def header_fits(message: Message, name: str, pattern: str) -> Mapping[str, str] | None:
    """Given a header field's name and a pattern, return the named groups of its first matching value, or None."""
    field_name, compiled = name.lower(), Pattern(pattern)
    values = (value for key, value in message.headers if key.lower() == field_name)
    return next((match for value in values if (match := compiled.search(value)) is not None), None)

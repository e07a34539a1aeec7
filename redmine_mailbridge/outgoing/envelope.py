"""A mail for some of its recipients only, where the header is the envelope (Microsoft Graph). Pure."""

import re
from collections.abc import Collection, Iterator
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from email.utils import getaddresses

_FIELD = re.compile(rb"(?m)^(To|Cc|Bcc):[^\r]*\r\n(?:[ \t][^\r]*\r\n)*", re.IGNORECASE)
_PERSON = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^",])+)')
LINE = ",\r\n "


def head_of(content: bytes) -> Message:
    """Given a mail's bytes, return its header, parsed, with the fields as they are written."""
    return message_from_bytes(content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", policy=compat32)


def recipients_of(content: bytes) -> dict[str, list[str]]:
    """Given a mail's bytes, return the people of To, Cc and Bcc, by field, each as written there."""
    fields = {name.title(): str(value) for name, value in head_of(content).raw_items()}
    return {
        name: list(_people(fields[name].encode("ascii", "surrogateescape").decode("utf-8", "replace")))
        for name in ("To", "Cc", "Bcc")
        if name in fields
    }


def addressed_to(content: bytes, recipients: Collection[str]) -> bytes:
    """Given a mail's bytes and addresses (in any case), return it with a header that names only these: unchanged if it
    does; one whom it does not name is in Bcc.
    """
    remaining = {address.lower(): address for address in recipients}
    header_recipients = recipients_of(content)
    if sorted(_address(person) for people in header_recipients.values() for person in people) == sorted(remaining):
        return content
    kept: dict[str, list[str]] = {}
    for name, people in header_recipients.items():
        kept[name] = [person for person in people if _address(person) in remaining]
        for person in kept[name]:
            remaining.pop(_address(person), None)
    if remaining:
        kept["Bcc"] = [*kept.get("Bcc", []), *remaining.values()]
    head, end, body = content.partition(b"\r\n\r\n")
    other_fields = _FIELD.sub(b"", head + b"\r\n")
    fields = (f"{name}: {LINE.join(people)}\r\n" for name, people in kept.items() if people)
    return "".join(fields).encode() + other_fields + end[2:] + body


def _people(value: str) -> Iterator[str]:
    """Given the value of a field of addresses, yield each person as written, unfolded."""
    for piece in _PERSON.findall(" ".join(value.split())):
        if piece.strip():
            yield piece.strip()


def _address(person: str) -> str:
    """Given a person as written in a header, return the address, lower case."""
    return next((address for _, address in getaddresses([person])), "").lower()

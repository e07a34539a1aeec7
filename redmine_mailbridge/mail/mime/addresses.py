"""Address lists (RFC 5322 section 3.4) as they are sent: groups, comments, quotes that never close, 8-bit names."""

import re

from redmine_mailbridge.mail.mime.encoded_words import decode_words, one_line
from redmine_mailbridge.model.mail import Address

MAX_ADDRESSES = 5000
_QUOTE_OR_SLASH = re.compile(r'["\\]')
_SPECIAL = frozenset('"(<,;:\\')


def parse(value: str) -> tuple[Address, ...]:
    """Given the unfolded value of an address field (encoded words still encoded), return its addresses in order.

    Groups give their members. A bare name without an address gives nothing, unless an address is hidden within
    its encoded word. "Doe, Jane <j@example.org>" without quotes is one address. Linear in the length.
    """
    return tuple(_read(value, again=True))[:MAX_ADDRESSES]


def _read(value: str, *, again: bool) -> list[Address]:
    addresses: list[Address] = []
    waiting = ""  # a name that stood before a comma and may belong to the next address
    for words, angle, comment in _elements(value):
        if angle is None and "@" not in words:
            decoded = decode_words(words)
            if again and "=?" in words and "@" in decoded:
                addresses += _read(decoded, again=False)
                waiting = ""
            else:
                waiting = words
            continue
        if angle is None:
            before, holder = _bare(words)
            name, address = before or comment, _address(holder)
        else:
            name, address = words or comment, _address(angle)
            if waiting and words:
                name = f"{waiting}, {words}"
            if not address and "@" in name:
                name, address = "", _address(name)
        waiting = ""
        if address:
            addresses.append(Address(_name(name), address))
        if len(addresses) >= MAX_ADDRESSES:
            break
    return addresses


def _bare(words: str) -> tuple[str, str]:
    """Given words without <>, return what looks like a name and the word that holds the @."""
    pieces = words.replace(" @", "@").replace("@ ", "@").split()
    holders = [piece for piece in pieces if "@" in piece]
    if len(pieces) < 2 or words.startswith('"'):
        return "", words
    return " ".join(piece for piece in pieces if piece is not holders[-1]), holders[-1]


def _address(text: str) -> str:
    """Given what stood as an address, return it without blanks around it, a route or a stray bracket."""
    text = one_line(decode_words(text)).strip(" <>'").removeprefix("mailto:")
    if text.startswith("@") and ":" in text:
        text = text.rpartition(":")[2]
    if " " in text and '"' not in text:
        joined = text.replace(" @", "@").replace("@ ", "@").replace(" .", ".").replace(". ", ".")
        text = next((word for word in joined.split(" ") if "@" in word), joined)
    return text[:1000]


def _name(text: str) -> str:
    """Given a display name, return it decoded, on one line, without the quotes that enclose all of it."""
    text = one_line(decode_words(text))
    while len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    return text[:1000]


def _elements(value: str) -> list[tuple[str, str | None, str]]:
    """Given a list of addresses, return of each: its words, what stood in <> (None when nothing did), its comment."""
    elements: list[tuple[str, str | None, str]] = []
    words: list[str] = []
    comments: list[str] = []
    angle: str | None = None
    at = 0

    def close() -> None:
        nonlocal angle
        text = "".join(words).strip()
        if text or angle is not None:
            elements.append((text, angle, " ".join(comments).strip()))
        words.clear()
        comments.clear()
        angle = None

    while at < len(value) and len(elements) <= MAX_ADDRESSES:
        sign = value[at]
        if sign == '"':
            text, at = _until(value, at + 1)
            words.append(f'"{text}"' if value[at : at + 1] == "@" and not any(map(str.strip, words[:50])) else text)
        elif sign == "(":
            text, at = _comment(value, at + 1)
            comments.append(text)
        elif sign == "<":
            stop = value.find(">", at)
            stop = len(value) if stop < 0 else stop
            text = value[at + 1 : stop]
            if angle is None or "@" not in angle:
                angle = text
            at = stop + 1
        elif sign in ",;":
            close()
            at += 1
        elif sign == ":" and angle is None and "@" not in "".join(words[-3:]):
            words.clear()  # the name of a group
            at += 1
        elif sign == "\\":
            words.append(value[at + 1 : at + 2])
            at += 2
        else:
            stop = at + 1
            while stop < len(value) and value[stop] not in _SPECIAL:
                stop += 1
            words.append(value[at:stop])
            at = stop
    close()
    return elements


def _until(value: str, at: int) -> tuple[str, int]:
    """Given where a quoted string begins, return its content and the place behind its closing quote."""
    pieces: list[str] = []
    while sign := _QUOTE_OR_SLASH.search(value, at):
        pieces.append(value[at : sign.start()])
        if sign[0] == '"':
            return "".join(pieces), sign.end()
        pieces.append(value[sign.end() : sign.end() + 1])
        at = sign.end() + 1
    return "".join([*pieces, value[at:]]), len(value)


def _comment(value: str, at: int) -> tuple[str, int]:
    """Given where a comment begins, return its text, nested ones included, and the place behind it."""
    depth, start = 1, at
    while at < len(value):
        sign = value[at]
        if sign == "\\":
            at += 1
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
            if not depth:
                return value[start:at], at + 1
        at += 1
    return value[start:], len(value)

"""Header fields as bytes (RFC 5322, RFC 2047, RFC 2231), made of plain values. Pure.

Python's `email` reads what it is given once more, encoded words and the line ends in them included, so that a
stranger's subject, name or Message-ID could become header fields, and a body, of outgoing mail. Here a value is only
written, never parsed, and all of it stays within its field.
"""

import base64
import re
import unicodedata
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from redmine_mailbridge.model.mail import Address

LINE = 76
"""Characters of a line that holds an encoded word (RFC 2047 section 2)."""
LONGEST_WORD = 75
LONGEST_LINE = 998
"""Characters of any line, without its end (RFC 5322 section 2.1.1)."""
LONGEST_QUOTED = 60
_JOINERS = "\u200c\u200d"
"""They look like nothing and are part of Persian words and of emoji."""
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_ID = re.compile(r"[!-;=?-~]{1,900}")
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
"""The bytes that need no encoding in an encoded word, also in one of a display name (RFC 2047 section 5)."""
_FRAME = len("=?utf-8?q??=")


def one_line(text: str, most: int) -> str:
    """Given any text, return it on one line of at most so many characters: line ends and control characters become
    blanks; format characters (but joiners), such as direction marks, and surrogates are removed.
    """
    kept = (_shown(sign) for sign in text[: most * 4])
    return " ".join("".join(kept).split())[:most].rstrip()


def _shown(sign: str) -> str:
    kind = unicodedata.category(sign)
    if kind in {"Cc", "Zl", "Zp", "Zs"}:
        return " "
    return "" if kind == "Cs" or (kind == "Cf" and sign not in _JOINERS) else sign


def identifier(text: str) -> str | None:
    """Given a Message-ID without <>, return it if it may be written to a header field; None if not: it is not
    printable ASCII, too long for a line, or a mail program might take it for an encoded word.
    """
    return text if _ID.fullmatch(text) and "=?" not in text else None


def unstructured(name: str, text: str) -> bytes:
    """Given a field's name and what it says, return the field: at most 500 characters of it, on one line."""
    words = one_line(text, 500).split(" ")
    if not all(map(_plain, words)):
        words = encoded_words(" ".join(words), LINE - len(name) - 2)
    return folded(name, words)


def identifiers(name: str, ids: Sequence[str]) -> bytes:
    """Given a field's name and Message-IDs that `identifier` has let pass, return the field."""
    return folded(name, [f"<{message_id}>" for message_id in ids])


def addresses(name: str, people: Sequence[Address], *, international: bool = False) -> bytes:
    """Given a field's name and addresses that can be mailed to (`mail.mime.mailable`), return the field.

    An address whose local part is not ASCII is written unchanged in an `international` mail (RFC 6532), and in any
    other as an empty group that shows it (RFC 6857 section 3.1.8).
    """
    pieces: list[str] = []
    for person in people:
        shown = one_line(person.name, 200)
        if international or person.address.isascii():
            pieces += [*_phrase(shown), f"<{person.address}>"] if shown else [person.address]
        else:
            pieces += [*_phrase(f"{shown} {person.address}".strip()), ":;"]
        pieces[-1] += ","
    pieces[-1:] = [pieces[-1].rstrip(",")]
    return folded(name, pieces)


def parameters(name: str, value: str, more: Sequence[tuple[str, str]]) -> bytes:
    """Given a field's name, its value and its parameters, return the field (RFC 2045 section 5.1, RFC 2231)."""
    pieces = [value]
    for key, text in more:
        pieces[-1] += ";"
        pieces += _parameter(key, text)
    return folded(name, pieces)


def folded(name: str, pieces: Sequence[str]) -> bytes:
    """Given a field's name and its pieces, return the field: a blank between each two, where a long one is folded."""
    lines, line = [], f"{name}:"
    for number, piece in enumerate(pieces):
        if number and len(line) + 1 + len(piece) > LINE:
            lines.append(line)
            line = ""
        line += f" {piece}"
    return b"".join(f"{field_line}\r\n".encode() for field_line in (*lines, line))


def encoded_words(text: str, first: int = LONGEST_WORD) -> list[str]:
    """Given a text, return it as encoded words, the first of at most `first` characters, the others of 75, none of
    which ends within a character. In base64 or quoted-printable, whichever is shorter.
    """
    data = text.encode("utf-8", "replace")
    quoted = sum(1 if byte in _SAFE or byte == 32 else 3 for byte in data)
    base = quoted > -(-len(data) // 3) * 4
    words, room = [], min(first, LONGEST_WORD) - _FRAME
    piece, used = "", 0
    for sign in text:
        size = _cost(sign, base=base)
        if piece and _length(used + size, base=base) > room:
            words.append(_word(piece, base=base))
            piece, used, room = "", 0, LONGEST_WORD - _FRAME
        piece += sign
        used += size
    return [*words, _word(piece, base=base)]


def _cost(sign: str, *, base: bool) -> int:
    data = sign.encode("utf-8", "replace")
    return len(data) if base else sum(1 if byte in _SAFE or byte == 32 else 3 for byte in data)


def _length(cost: int, *, base: bool) -> int:
    return -(-cost // 3) * 4 if base else cost


def _word(text: str, *, base: bool) -> str:
    data = text.encode("utf-8", "replace")
    if base:
        return f"=?utf-8?b?{base64.b64encode(data).decode()}?="
    signs = ("_" if byte == 32 else chr(byte) if byte in _SAFE else f"={byte:02X}" for byte in data)
    return f"=?utf-8?q?{''.join(signs)}?="


def _plain(word: str) -> bool:
    """May this word stand as it is? What is not ASCII may not, nor what somebody might take for an encoded word."""
    return word.isascii() and len(word) <= LONGEST_WORD and "=?" not in word


def _phrase(text: str) -> list[str]:
    """Given a display name on one line, return its words: atoms, a quoted string, or encoded words.

    A quoted string is never folded: some readers take the line's end for its own, and what follows for addresses.
    """
    words = text.split(" ")
    if not all(map(_plain, words)):
        return encoded_words(text, LONGEST_WORD - len("Reply-To: "))
    if all(map(_ATOM.fullmatch, words)):
        return words
    quoted = re.sub(r'(["\\])', r"\\\1", text)
    if len(quoted) > LONGEST_QUOTED:
        return encoded_words(text, LONGEST_WORD - len("Reply-To: "))
    return [f'"{quoted}"']


def _parameter(key: str, text: str) -> list[str]:
    if _plain(text) and len(text) <= 60:
        quoted = re.sub(r'(["\\])', r"\\\1", text)
        return [f'{key}="{quoted}"']
    pieces = list(_percent(text, LINE - len(key) - len("*00*=;") - len("utf-8''") - 1))
    if len(pieces) == 1:
        return [f"{key}*=utf-8''{pieces[0]}"]
    pieces[0] = f"utf-8''{pieces[0]}"
    last = len(pieces) - 1
    return [f"{key}*{number}*={piece}{';' if number < last else ''}" for number, piece in enumerate(pieces)]


def _percent(text: str, most: int) -> Iterator[str]:
    """Given a text, yield it with all that is not plain as %XX, in pieces that end with a character."""
    piece = ""
    for sign in text:
        encoded = quote(sign, safe="!#$&+-.^_`|~", errors="replace")
        if len(piece) + len(encoded) > most:
            yield piece
            piece = ""
        piece += encoded
    yield piece

"""Reads what an IMAP server answers (RFC 9051 section 9): lists, quoted strings, literals, atoms. Linear in time."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator

from imap_tools.imap_utf7 import utf7_decode, utf7_encode

from redmine_mailbridge.util.dataclass import dataclass

Part = bytes | tuple[bytes, bytes] | None
"""A piece of an answer as imaplib keeps it: a line, or the line's beginning with the literal that follows it."""

Token = bytes | str
"""`str` for the signs ( and ); bytes for a value."""

NIL = b"NIL"
_ENCODED = re.compile(rb"(?:[^&]|&[A-Za-z0-9+,]*-)*")
"""Modified UTF-7: each `&` begins a piece of base64 that `-` ends."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def tokens(parts: Iterable[Part]) -> Iterator[Token]:
    """Given the pieces of answers, yield their tokens in order."""
    for part in parts:
        if part is None:
            continue
        if isinstance(part, tuple):
            line, literal = part
            yield from line_tokens(line[: line.rfind(b"{")].removesuffix(b"~"))  # ~{5}: a literal8, RFC 9051
            yield literal
        else:
            yield from line_tokens(part)


def line_tokens(line: bytes) -> Iterator[Token]:
    """Given one line without literals, yield its tokens."""
    at, end = 0, len(line)
    while at < end:
        sign = line[at : at + 1]
        if sign == b" ":
            at += 1
        elif sign in {b"(", b")"}:
            yield sign.decode()
            at += 1
        elif sign == b'"':
            value, at = quoted(line, at + 1)
            yield value
        else:
            value, at = atom(line, at)
            yield value


def quoted(line: bytes, at: int) -> tuple[bytes, int]:
    """Given a line and where a quoted string's inside begins, return its value and where it ends."""
    value = bytearray()
    while at < len(line) and line[at] != 0x22:
        if line[at] == 0x5C:
            at += 1
        value += line[at : at + 1]
        at += 1
    return bytes(value), at + 1


def atom(line: bytes, at: int) -> tuple[bytes, int]:
    """Given a line and where an atom begins, return it and where it ends. `BODY[HEADER.FIELDS (X)]` is one atom."""
    start, inside = at, False
    while at < len(line):
        byte = line[at]
        if byte == 0x5B:
            inside = True
        elif byte == 0x5D:
            inside = False
        elif not inside and byte in b' ()"':
            break
        at += 1
    return line[start:at], max(at, start + 1)


@dataclass(frozen=True, slots=True)
class Fetched:
    """One FETCH answer: the values by upper-case name; `BODY[...]` in any form is under `BODY`."""

    values: dict[str, bytes]

    @property
    def uid(self) -> str:
        """The UID, or an empty text if the response has none (an unsolicited flag change)."""
        return self.values.get("UID", b"").decode("ascii", "replace")


def fetched(parts: Iterable[Part]) -> Iterator[Fetched]:
    """Given the pieces of FETCH answers, yield those that name a UID. Values in parentheses are left out."""
    depth, name, values = 0, "", {}  # type: int, str, dict[str, bytes]
    for word in tokens(parts):
        if word == "(":
            depth += 1
            name = name if depth == 1 else ""
        elif word == ")":
            depth -= 1
            if depth <= 0:
                depth = 0
                if "UID" in values:
                    yield Fetched(values)
                name, values = "", {}
        elif depth == 1 and isinstance(word, bytes):
            if not name:
                name = word.decode("ascii", "replace").upper()
                name = "BODY" if name.startswith("BODY[") else name
            else:
                values[name] = word
                name = ""


def by_uid(parts: Iterable[Part]) -> dict[str, dict[str, bytes]]:
    """Given the pieces of FETCH answers, return what they say of each mail, by UID and name.

    A server may report a message more than once, also unsolicited (RFC 9051 section 7.5.2): the first value of
    each name is kept, even if a later response lacks it.
    """
    values_by_uid: dict[str, dict[str, bytes]] = {}
    for mail in fetched(parts):
        values_by_uid[mail.uid] = mail.values | values_by_uid.get(mail.uid, {})
    return values_by_uid


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """One LIST answer: the name as the server spells it, decoded; its delimiter; its flags in lower case.

    `wire` is the name as it was listed. Only that is sure to open the folder: some servers list, and want, names that
    are not encoded (`R&D`), or encoded in a way of their own.
    """

    name: str
    delimiter: str | None
    flags: frozenset[str]
    wire: bytes = b""

    @property
    def written(self) -> str:
        """The name on the wire as text: `R&-D`, `Gr&APYA3w-e`."""
        return self.wire.decode("utf-8", "replace")

    @property
    def selectable(self) -> bool:
        """Whether it holds mails, and not only folders."""
        return not self.flags & {"\\noselect", "\\nonexistent"}


def listed_folders(parts: Iterable[Part]) -> Iterator[ListedFolder]:
    """Given the pieces of LIST answers, yield the folders."""
    for part in merged(parts):
        words = list(tokens(part))
        if ")" not in words:
            continue
        close = words.index(")")
        delimiter_and_name = [token for token in words[close + 1 :] if isinstance(token, bytes)]
        if len(delimiter_and_name) < 2:
            continue
        flags = frozenset(flag.decode("ascii", "replace").lower() for flag in words[1:close] if isinstance(flag, bytes))
        delimiter = None if delimiter_and_name[0].upper() == NIL else delimiter_and_name[0].decode("ascii", "replace")
        yield ListedFolder(decode_folder(delimiter_and_name[1]), delimiter, flags, delimiter_and_name[1])


def merged(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Given pieces, yield them a LIST answer at a time: after a literal, imaplib adds the (empty) rest of the line."""
    waiting: list[Part] = []
    for part in parts:
        if waiting:
            yield [*waiting, part]
            waiting = []
        elif isinstance(part, tuple):
            waiting = [part]
        else:
            yield [part]
    if waiting:
        yield waiting


def decode_folder(raw: bytes) -> str:
    """Given a folder's name on the wire, return it decoded from modified UTF-7 (RFC 3501 section 5.1.3) or UTF-8.

    What is not valid modified UTF-7 (a lone `&`, bits without a letter) stays as written.
    """
    if not raw.isascii():
        return raw.decode("utf-8", "replace")
    try:
        name = utf7_decode(raw)
    except ValueError:
        return raw.decode("ascii")
    encoded = _ENCODED.fullmatch(raw) is not None and name.isprintable()
    return name if encoded else raw.decode("ascii")


def encode_folder(name: str) -> bytes:
    """Given a folder's name, return it for the wire: modified UTF-7 in quotes, `"` and backslash escaped."""
    return quote(utf7_encode(name))


def quote(value: bytes) -> bytes:
    """Given bytes without CR, LF and NUL, return them as a quoted string."""
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def internal_date(raw: bytes) -> dt.datetime | None:
    """Given an INTERNALDATE such as ` 1-Jan-2026 09:30:00 +0100`, return it with its zone, or None.

    Years at the ends of the calendar, which no other zone could express, say no time.
    """
    try:
        date, clock, zone = raw.decode("ascii").split()
        day, month, year = date.split("-")
        hour, minute, second = (int(piece) for piece in clock.split(":"))
        offset = dt.timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
        moment = dt.datetime(
            int(year), MONTHS.index(month.lower()) + 1, int(day), hour, minute, min(second, 59),
            tzinfo=dt.timezone(-offset if zone.startswith("-") else offset),
        )  # fmt: skip
    except (ValueError, IndexError):
        return None
    return moment if dt.MINYEAR < moment.year < dt.MAXYEAR else None


def imap_date(day: dt.date) -> str:
    """Given a day, return it as SEARCH wants it: 1-Jan-2026, whatever the locale."""
    return f"{day.day}-{MONTHS[day.month - 1].capitalize()}-{day.year}"


def uid_set(uids: Iterable[int]) -> str:
    """Given UIDs in rising order, return the shortest set that names exactly them: `3:5,9`."""
    runs: list[list[int]] = []
    for uid in uids:
        if runs and uid == runs[-1][1] + 1:
            runs[-1][1] = uid
        else:
            runs.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in runs)

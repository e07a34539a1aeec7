"""One header block: where its fields are, and where it ends (RFC 5322 section 2.2), however broken."""

import mmap
import re
from collections.abc import Container

Buffer = bytes | bytearray | mmap.mmap

MAX_FIELDS = 10_000  # of one header block
MAX_HEADER = 8 * 1024 * 1024  # bytes of one header block that are read as fields

FIELD_NAME = re.compile(rb"([!-9;-~]{1,200})[ \t]{0,20}:")
_KNOWN = re.compile(
    rb"(?:from|to|cc|date|subject|sender|reply-to|message-id|mime-version|content-[a-z-]{1,40}|received|return-path|"
    rb"in-reply-to|references|x-[a-z0-9-]{1,60}|importance)[ \t]{0,5}:",
    re.IGNORECASE,
)
_KNOWN_LINE = re.compile(rb"(?:^|[\r\n])(?=" + _KNOWN.pattern + rb")", re.IGNORECASE)
_BLANK = re.compile(rb"\r?\n(?:\r?\n|--)|\r(?:\r|--)")
_LOOK_AHEAD = 64 * 1024  # bytes in which the fields behind a line that is none are looked for


def delimiter_line(buffer: Buffer, line: int, size: int, longest: int) -> bytes:
    """Given where a line that begins with -- starts, return it without its trailing blanks; b"" when too long."""
    window = bytes(buffer[line : min(line + longest + 80, size)])
    for end in (b"\n", b"\r"):
        at = window.find(end)
        if at >= 0:
            window = window[:at]
    window = window.rstrip(b" \t")
    return window if len(window) <= longest else b""


def read_fields(
    buffer: Buffer, start: int, size: int, delimiters: Container[bytes] = (), longest: int = 0
) -> tuple[list[tuple[str, bytes]], int, bool]:
    """Given where a header block begins, return its fields, where the body begins, and whether fields were cut.

    The block ends at an empty line, at a delimiter line, or at a line that is not a field and that no field
    follows. A line that lost the blank of its folding continues the field before it.
    """
    ending = line_end(buffer, start, size)
    spans: list[tuple[str, int, int]] = []
    at, cut = start, False
    last_known: int | None = None
    while at < size:
        stop = buffer.find(ending, at, size)
        stop = size if stop < 0 else stop
        behind = min(stop + 1, size)
        first = bytes(buffer[at : at + 3])
        if at == stop or first.lstrip(b"\r")[:1] == b"\n" or (first == b"\r" and stop <= at + 1):
            return _slice(buffer, spans), behind, cut
        name = FIELD_NAME.match(buffer, at, stop)
        if not name and last_known is None and first[:1] not in {b" ", b"\t"}:
            last_known = _last_field(buffer, at, min(size, at + _LOOK_AHEAD))
        if first[:2] == b"--" and ((spans and not name) or delimiter_line(buffer, at, size, longest) in delimiters):
            break
        if name and first[:1] not in {b" ", b"\t"}:
            if len(spans) < MAX_FIELDS and stop - start < MAX_HEADER:
                spans.append((name[1].decode("ascii"), name.end(), stop))
            else:
                cut = True
        elif spans and (first[:1] in {b" ", b"\t"} or at < (last_known or 0)):
            if stop - start < MAX_HEADER:
                spans[-1] = (spans[-1][0], spans[-1][1], stop)
            else:
                cut = True
        elif at >= (last_known or 0):
            break
        at = behind
    return _slice(buffer, spans), at, cut


def _last_field(buffer: Buffer, at: int, end: int) -> int:
    """Given a line of a header block that is not a field, return where the last well-known field before the next blank
    line begins, 0 when none follows: the block continues up to there, whatever a relay has done to its white space.
    """
    block = _BLANK.split(bytes(buffer[at:end]), maxsplit=1)[0]
    begin = max((match.start() for match in _KNOWN_LINE.finditer(block)), default=None)
    return 0 if begin is None else at + begin


def line_end(buffer: Buffer, start: int, size: int) -> bytes:
    """Given where a header block begins, return what ends its lines: LF, or CR in mail that knows no other.

    A line may be of any length. A CR inside a line of a block whose lines end with LF ends none.
    """
    end = min(start + MAX_HEADER, size)
    if buffer.find(b"\n", start, min(start + 2000, size)) >= 0:
        return b"\n"
    cr, lf = buffer.find(b"\r", start, end), buffer.find(b"\n", start, end)
    if lf < 0:
        return b"\r"
    while 0 <= cr < lf and buffer[cr] in b"\r":
        cr += 1
    follows = 0 <= cr < lf and FIELD_NAME.match(buffer, cr, min(cr + 300, size)) is not None
    return b"\r" if follows else b"\n"


def _slice(buffer: Buffer, spans: list[tuple[str, int, int]]) -> list[tuple[str, bytes]]:
    return [(name, bytes(buffer[start:end])) for name, start, end in spans]

"""Content-Transfer-Encodings decoded in pieces: base64, quoted-printable, uuencode; anything else unchanged."""

import binascii
import itertools
import re
from collections.abc import Iterator

from redmine_mailbridge.mail.mime.header_block import Buffer

PIECE = 256 * 1024  # bytes of the mail that are read at a time
MOST_BLANK_LINES = 500  # of a body in base64, which has none: behind more of them no footer is looked for
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NO_BASE64 = bytes(byte for byte in range(256) if byte not in _ALPHABET)
_ODD = re.compile(rb"[^A-Za-z0-9+/=\s]|[ \t](?=[^\s])")
_SOFT = re.compile(rb"=[ \t]{1,1000}(?=\r?\n)")
_BLANK_LINE = re.compile(rb"\n[ \t]{0,100}\r?\n")
_OUTSIDE = re.compile(rb"[^A-Za-z0-9+/=]")
_LINE_END = re.compile(rb"[\r\n]")


def plain_tail(buffer: Buffer, start: int, end: int) -> int:
    """Given a body in base64, return where plain text begins that something on the way added below it; `end` if none.

    That is behind a blank line, at a line which holds what base64 does not (a mailing list's or a scanner's footer).
    """
    for blank_line in itertools.islice(_BLANK_LINE.finditer(buffer, start, end), MOST_BLANK_LINES):
        line = bytes(buffer[blank_line.end() : min(blank_line.end() + 1000, end)]).split(b"\n", 1)[0].strip()
        if line and _OUTSIDE.search(line):
            return blank_line.end()
    return end


def encoding_of(buffer: Buffer, start: int, end: int, declared: str) -> str:
    """Given a body and its declared encoding, return the one to undo: "base64", "quoted-printable", "uuencode", "".

    A body that claims base64 and is plainly something else stays as it is.
    """
    name = declared.strip().strip("\"'").lower().partition(";")[0].strip()
    if name in {"base64", "base-64", "b64"}:
        sample = bytes(buffer[start : min(plain_tail(buffer, start, end), start + 4096)]).strip()
        return "base64" if len(_ODD.findall(sample)) * 20 <= len(sample) else ""
    if name in {"quoted-printable", "quoted-printeable", "qp", "quotedprintable"}:
        return "quoted-printable"
    if name in {"x-uuencode", "uuencode", "x-uue", "uue"}:
        return "uuencode"
    return ""


def chunks(buffer: Buffer, start: int, end: int, encoding: str) -> Iterator[bytes]:
    """Given a body's place and its encoding, yield the decoded bytes in pieces of at most 1 MiB. Never raises."""
    if encoding == "base64":
        return _base64(buffer, start, end)
    if encoding == "quoted-printable":
        return _quoted_printable(buffer, start, end)
    if encoding == "uuencode":
        return _uuencode(buffer, start, end)
    return _identity(buffer, start, end)


def read(buffer: Buffer, start: int, end: int, encoding: str, limit: int) -> tuple[bytes, bool]:
    """Given a body's place, return at most `limit` decoded bytes of it and whether that is all."""
    decoded: list[bytes] = []
    room = limit
    for piece in chunks(buffer, start, end, encoding):
        if len(piece) > room:
            decoded.append(piece[:room])
            return b"".join(decoded), False
        decoded.append(piece)
        room -= len(piece)
    return b"".join(decoded), True


def _identity(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, PIECE):
        yield bytes(buffer[at : min(at + PIECE, end)])


def _base64(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Undo base64; a padding in the middle ends one stretch and begins the next (files glued together)."""
    pending = b""
    for at in range(start, end, PIECE):
        characters = pending + bytes(buffer[at : min(at + PIECE, end)]).translate(None, _NO_BASE64)
        stretches = re.split(b"=+", characters)
        pending = stretches.pop()
        whole = len(pending) - len(pending) % 4
        done = b"".join(_stretch(stretch) for stretch in stretches) + _stretch(pending[:whole])
        pending = pending[whole:]
        if done:
            yield done
    if last := _stretch(pending):
        yield last


def _stretch(characters: bytes) -> bytes:
    """Given base64 characters without padding, return their bytes; a single surplus character is ignored."""
    if len(characters) % 4 == 1:
        characters = characters[:-1]
    return binascii.a2b_base64(characters + b"=" * (-len(characters) % 4)) if characters else b""


def _quoted_printable(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    pending = b""
    for at in range(start, end, PIECE):
        piece = pending + bytes(buffer[at : min(at + PIECE, end)])
        pending = b""
        if at + PIECE < end:
            cut = piece.rfind(b"\n") + 1
            if not cut:  # one line of more than a piece: cut it outside of any =XX
                cut = len(piece) - 3 + max(piece[-3:].rfind(b"="), 0) if b"=" in piece[-3:] else len(piece)
            piece, pending = piece[:cut], piece[cut:]
        if piece:
            yield binascii.a2b_qp(_SOFT.sub(b"=", piece))
    if pending:
        yield binascii.a2b_qp(_SOFT.sub(b"=", pending))


def _uuencode(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    """Undo uuencode between "begin" and "end"; lines that are broken give what can be read of them."""
    pending = b""
    begun = ended = False
    for at in range(start, end, PIECE):
        lines = (pending + bytes(buffer[at : min(at + PIECE, end)])).split(b"\n")
        pending = lines.pop() if at + PIECE < end else b""
        if len(pending) > PIECE:
            pending = b""
        done: list[bytes] = []
        for line in lines:
            if not begun:
                begun = line.startswith(b"begin ")
                continue
            ended = line.strip() == b"end"
            if ended:
                break
            done.append(_uu_line(line.rstrip(b"\r")))
        if piece := b"".join(done):
            yield piece
        if ended:
            return


def _uu_line(line: bytes) -> bytes:
    if not line or not 32 <= line[0] <= 96:
        return b""
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:  # trailing rubbish, as some encoders write
        count = (line[0] - 32) & 63
        try:
            return binascii.a2b_uu(line[: 1 + (count * 4 + 2) // 3])
        except binascii.Error:
            return b""

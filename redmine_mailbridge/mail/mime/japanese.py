"""ISO-2022-JP (RFC 1468) with all that mail programs write in it: half-width kana, NEC's and IBM's rows, JIS X 0212."""

import re
from collections.abc import Callable

_ESCAPE = re.compile(rb"\x1b(\$[@AB]|\$\([CDOPQ]|\([BHIJ]|\.[AF])")
_SHIFT = re.compile(rb"[\x0e\x0f]")
_MARKS = re.compile(rb"\x1b(?:\$[@B]|\$\([DOPQ]|\([IJ])")


def looks_japanese(data: bytes) -> bool:
    """Do 7-bit bytes hold the escape sequences of ISO-2022-JP, whatever their label says?"""
    return data.isascii() and _MARKS.search(data) is not None


def decode(data: bytes) -> str:
    """Given ISO-2022-JP of any kind (cp50220, cp50221, cp50222, -ext, -2, -3, -2004), return its text. Never raises.

    What cannot be read becomes U+FFFD. JIS X 0208 is read as Windows writes it, with NEC's row 13 and IBM's rows.
    """
    parts = _ESCAPE.split(data)
    texts = [_single(parts[0], kana=False)]
    for mark, run in zip(parts[1::2], parts[2::2], strict=True):
        texts.append(_run(mark, run))
    return "".join(texts)


def _run(mark: bytes, run: bytes) -> str:
    """Given an escape sequence (without ESC) and what follows it, return the text."""
    if mark in {b"$@", b"$B"}:
        return _pairs(run)
    if mark == b"(I":
        return _single(run, kana=True)
    if mark == b"$(D":
        return _each(run, lambda pair: (b"\x8f" + _high(pair)).decode("euc_jp"))
    if mark in {b"$(O", b"$(P", b"$(Q"}:
        return _each(run, lambda pair: (b"\x1b" + mark + pair + b"\x1b(B").decode("iso2022_jp_2004"))
    if mark in {b"$A", b"$(C"}:
        codec = "gb2312" if mark == b"$A" else "euc_kr"
        return _each(run, lambda pair: _high(pair).decode(codec))
    return _single(run, kana=False)


def _high(pair: bytes) -> bytes:
    return bytes(byte | 0x80 for byte in pair)


def _single(run: bytes, *, kana: bool) -> str:
    """Bytes of one column: ASCII, or JIS X 0201's kana; SO and SI switch between them (cp50222)."""
    texts, at = [], 0
    for shift in [*_SHIFT.finditer(run), None]:
        stop = len(run) if shift is None else shift.start()
        piece = run[at:stop]
        if kana:
            piece = bytes(byte | 0x80 if 0x21 <= byte <= 0x5F else byte for byte in piece)
        texts.append(piece.decode("cp932", "replace"))
        if shift is not None:
            kana, at = shift[0] == b"\x0e", shift.end()
    return "".join(texts)


def _pairs(run: bytes) -> str:
    """JIS X 0208 as Windows has it; in one step where all of it is regular."""
    return _each(run, lambda pair: _shifted(pair).decode("cp932"))


def _each(run: bytes, read: Callable[[bytes], str]) -> str:
    """Given bytes of two columns, return what `read` says of each pair; line ends and blanks stand by themselves."""
    texts: list[str] = []
    at = 0
    while at < len(run):
        pair = run[at : at + 2]
        if not 0x21 <= pair[0] <= 0x7E:
            texts.append(chr(pair[0]) if pair[0] < 0x80 else "\ufffd")
            at += 1
            continue
        try:
            texts.append(read(pair))
        except (UnicodeError, ValueError, IndexError):
            texts.append("\ufffd")
            at -= not (len(pair) == 2 and 0x21 <= pair[1] <= 0x7E)  # the second byte is invalid
        at += 2
    return "".join(texts)


def _shifted(pair: bytes) -> bytes:
    """Given a row and a cell of JIS, return the two bytes of Shift_JIS."""
    row, cell = pair[0] - 0x21, pair[1] - 0x21
    if not 0 <= cell < 94:
        raise ValueError("no cell")
    lead = 0x81 + row // 2 + (0x40 if row >= 62 else 0)
    trail = cell + 0x9F if row % 2 else cell + 0x40 + (cell >= 0x3F)
    return bytes((lead, trail))

"""Files that stand within a text as uuencode (POSIX), as old mailers and some devices still send them."""

import binascii
import re

_BEGIN = re.compile(r"^begin [0-7]{3,4} ([^\n\r]{1,255})\r?\n", re.MULTILINE)
_MOST = 100


def taken_out(text: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Given a text, return it without the uuencoded files in it, and these as (name, bytes), in their order.

    What has no end, or lines that are no uuencode, stays in the text as it is. Linear in the length.
    """
    files: list[tuple[str, bytes]] = []
    texts: list[str] = []
    at = 0
    for begun in _BEGIN.finditer(text):
        if begun.start() < at or len(files) >= _MOST:
            continue
        read = _read(text, begun.end())
        if read is None:
            break  # each later one would look for the same end again
        data, end = read
        texts.append(text[at : begun.start()])
        files.append((begun[1].strip(), data))
        at = end
    return "".join([*texts, text[at:]]), files


def _read(text: str, at: int) -> tuple[bytes, int] | None:
    """Given where the first line of code begins, return the bytes and where the text continues, None if it is not
    uuencode."""
    decoded: list[bytes] = []
    while at < len(text):
        stop = text.find("\n", at)
        stop = len(text) if stop < 0 else stop
        line = text[at:stop].rstrip("\r")
        at = stop + 1
        if line.strip() == "end":
            return b"".join(decoded), min(at, len(text))
        data = _line(line)
        if data is None:
            return None
        decoded.append(data)
    return None


def _line(line: str) -> bytes | None:
    """Given a line, return its bytes, None if it is not a line of uuencode; trailing spaces may have been lost."""
    if not line.strip() or not line.isascii():
        return b"" if not line.strip() else None
    count = (ord(line[0]) - 32) & 63
    if not 32 <= ord(line[0]) <= 96 or len(line) > 1 + (count + 2) // 3 * 4 + 2:
        return None
    try:
        return binascii.a2b_uu(line[: 1 + (count + 2) // 3 * 4])
    except binascii.Error:
        return None

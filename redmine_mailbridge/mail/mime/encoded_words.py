"""Header values as people read them: raw 8-bit bytes, encoded words (RFC 2047), one line, no control characters."""

import binascii
import re

from redmine_mailbridge.mail.mime.charset import decode

_RUN = re.compile(r"\s+")
_BREAK = re.compile(r"[\t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff]")
_HEAD = re.compile(r"=\?([^\s?=()<>@,;:\"/\[\]]{1,60})\?([bBqQ])\?")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]")


def one_line(text: str) -> str:
    """Given decoded text, return it on one line: line ends and tabs become one blank, control characters go."""
    text = text.strip()  # of the field's own line end, too
    if text.isprintable():  # as most are: neither is in it, and no white space but blanks
        return text
    return _CONTROL.sub("", _RUN.sub(_one_blank, text)).strip()


def _one_blank(run: re.Match[str]) -> str:
    """Given a run of white space, return it as it is, or as one blank if it holds a line end or a tab."""
    line_end = _BREAK.search(run[0])
    return run[0] if line_end is None else run[0][: line_end.start()].rstrip(" ") + " "


def unfold(raw: bytes, fallback: str = "") -> str:
    """Given the raw value of a field, return it unfolded, on one line, its 8-bit bytes read, words still encoded."""
    return one_line(decode(raw, "utf-8", fallback))


def decode_words(text: str) -> str:
    """Given a value on one line, return it with its encoded words decoded, on one line.

    Neighbours of one charset are joined before they are decoded, since senders split them in mid-character. A
    broken word stays as it is. Linear in the length.
    """
    if "=?" not in text:
        return text
    pieces: list[str] = []
    run: list[bytes] = []
    charset = ""
    at = 0

    def flush() -> None:
        if run:
            pieces.append(decode(b"".join(run), charset))
            run.clear()

    for start, end, name, data in _words(text):
        between = text[at:start]
        if not at or between.strip():
            flush()
            pieces.append(between)
        if run and name != charset:
            flush()
        run.append(data)
        charset = name
        at = end
    flush()
    pieces.append(text[at:])
    return one_line("".join(pieces))


def _words(text: str) -> list[tuple[int, int, str, bytes]]:
    """Given a value, return its well-formed encoded words: start, end, charset, bytes."""
    words: list[tuple[int, int, str, bytes]] = []
    start = text.find("=?")
    end = -1
    while start >= 0:
        head = _HEAD.match(text, start)
        body = head.end() if head else 0
        if head:
            if end < body:
                end = text.find("?=", body)
            if end < 0:
                break
            following = text.find("=?", body, end)
            data = _data(head[2].lower(), text[body:end]) if following < 0 else None
            if data is not None:
                words.append((start, end + 2, head[1].partition("*")[0].lower(), data))
                start = text.find("=?", end + 2)
                continue
        start = text.find("=?", start + 2)
    return words


def _data(encoding: str, text: str) -> bytes | None:
    """Given the encoded text of a word, return its bytes, or None when it is broken beyond use."""
    raw = text.encode("utf-8", "replace")
    if encoding == "q":
        return binascii.a2b_qp(raw.replace(b"\n", b" "), header=True)
    characters = _NOT_BASE64.sub(b"", raw)
    if len(characters) % 4 == 1:
        characters = characters[:-1]
    if not characters:
        return b"" if not raw.strip() else None
    try:
        return binascii.a2b_base64(characters + b"=" * (-len(characters) % 4))
    except binascii.Error:
        return None

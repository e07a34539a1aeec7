"""Values with parameters (Content-Type, Content-Disposition): RFC 2045 section 5.1, RFC 2231, and what is sent."""

import re
from urllib.parse import unquote_to_bytes

from redmine_mailbridge.mail.mime.charset import decode

_LIMIT = 64 * 1024
_SKIP = re.compile(r"[;\s,]*")
_NAME = re.compile(r"([^\s=;\"]{1,100})\s{0,20}=\s{0,1000}")
_TOKEN = re.compile(r"[^;\s]*")
_SECTION = re.compile(r"([^*]{1,80})(?:\*(\d{1,4}))?(\*)?")
_CHARSET = re.compile(r"([^']{0,60})'[^']{0,60}'")


def parse(value: str) -> tuple[str, dict[str, str]]:
    """Given the value of a Content-Type or -Disposition field, return its head, lower case, and its parameters.

    Parameter names are lower case; continuations are joined and percent-encodings decoded (RFC 2231). Linear in
    the length; what cannot be read is passed over.
    """
    value = value[:_LIMIT]
    head = re.match(r"[^;]*", value)
    name = head[0] if head else ""
    at = len(name)
    if "=" in name:  # the semicolon was forgotten: "text/plain charset=utf-8"
        first = re.match(r"\s*[^\s=]*(?=\s)", name)
        at = first.end() if first else 0
        name = first[0] if first else ""
    return "".join(name.split()).lower(), _join(_pairs(value, at))


def _pairs(value: str, at: int) -> list[tuple[str, str]]:
    """Given a value and where its parameters begin, return them raw, in order."""
    pairs: list[tuple[str, str]] = []
    while at < len(value):
        skipped = _SKIP.match(value, at)
        at = skipped.end() if skipped else at
        name = _NAME.match(value, at)
        if not name:
            at = value.find(";", at)
            if at < 0:
                break
            continue
        at = name.end()
        if value[at : at + 1] == '"':
            text, at = _quoted(value, at + 1)
        else:
            text, at = _bare(value, at, name[1].lower())
        pairs.append((name[1].lower(), text))
    return pairs


def _bare(value: str, at: int, name: str) -> tuple[str, int]:
    """Given where an unquoted value begins, return it and its end; a file name may hold blanks up to the ;."""
    if name.startswith(("filename", "name")):
        end = value.find(";", at)
        end = len(value) if end < 0 else end
        text = value[at:end]
        cut = re.search(r"\s[A-Za-z-]{3,20}=", text)  # the next parameter, its semicolon forgotten
        if cut and "=?" not in text:
            end = at + cut.start()
            text = value[at:end]
        return text.strip(), end
    token = _TOKEN.match(value, at)
    end = token.end() if token else at
    return value[at:end], max(end, at)


def _quoted(value: str, at: int) -> tuple[str, int]:
    """Given where a quoted string begins, return its content and the place behind it.

    A quote that is followed by neither ; nor the end nor another parameter belongs to the value, as in
    `filename="the "best" one.pdf"`.
    """
    pieces: list[str] = []
    start = at
    while True:
        stop = re.compile(r'[\\"]').search(value, at)
        if not stop:
            return "".join([*pieces, value[start:]]), len(value)
        at = stop.end()
        if stop[0] == "\\":
            if value[at : at + 1] in {'"', "\\"} and at + 1 < len(value):
                pieces += [value[start : at - 1], value[at]]
                at += 1
                start = at
            continue
        if re.compile(r"\s{0,100}(?:;|$|[A-Za-z*0-9-]{2,30}=)").match(value, at):
            return "".join([*pieces, value[start : at - 1]]), at


def _join(pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Given raw parameters, return them with continuations joined and encodings undone; the first of a name wins."""
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for raw, text in pairs:
        section = _SECTION.fullmatch(raw)
        if section and (section[2] is not None or section[3]):
            place = int(section[2] or 0)
            sections.setdefault(section[1], {}).setdefault(place, (text, bool(section[3])))
        else:
            plain.setdefault(raw, text)
    for name, parts in sections.items():
        plain[name] = _extended([parts[place] for place in sorted(parts)])
    return plain


def _extended(parts: list[tuple[str, bool]]) -> str:
    """Given the sections of an RFC 2231 value and which are percent-encoded, return the text."""
    if not any(encoded for _, encoded in parts):
        return "".join(text for text, _ in parts)
    charset = ""
    head = _CHARSET.match(parts[0][0])
    if head:
        charset = head[1]
        parts = [(parts[0][0][head.end() :], parts[0][1]), *parts[1:]]
    data = b"".join(unquote_to_bytes(text) if encoded else text.encode("utf-8", "replace") for text, encoded in parts)
    return decode(data, charset)

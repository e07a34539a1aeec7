"""Removes secrets from untrusted text, such as a server's words in an error."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator

from redmine_mailbridge.util.printable import printable_line

HIDDEN = "***"
DISTINCTIVE = 4
"""Characters of base64 below which a part of a secret is like any other text."""
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")


def redact(text: str, secrets: Iterable[str]) -> str:
    """Given a text before anything is cut from it (a part of a secret is not recognized), and secrets, return the text
    without them: as they are, on one line, escaped (by IMAP, JSON, Python), and in base64 (RFC 4648), whatever else is
    encoded with them.
    """
    for secret in filter(None, secrets):
        for form in dict.fromkeys(_forms(secret)):
            text = text.replace(form, HIDDEN)
        for core in dict.fromkeys(_cores(secret.encode("utf-8", "replace"))):
            text = _without_runs(text, core)
    return text


def _forms(secret: str) -> Iterator[str]:
    """A secret as texts contain it."""
    for form in filter(None, (secret, printable_line(secret))):
        yield form
        yield form.replace("\\", "\\\\").replace('"', '\\"')
        for written in (json.dumps(form)[1:-1], json.dumps(form, ensure_ascii=False)[1:-1]):
            yield from (written, written.replace("/", "\\/"))
        yield repr(form.encode("utf-8", "replace"))[2:-1]


def _cores(secret: bytes) -> Iterator[str]:
    """The characters of base64 that encode only the secret, for each position that it may have among other bytes."""
    for before in range(3):
        encoded = b64encode(bytes(before) + secret)
        core = encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6].decode()
        if len(core) >= DISTINCTIVE:
            yield from (core, core.replace("+", "-").replace("/", "_"))


def _without_runs(text: str, core: str) -> str:
    """Replace each run of base64 that contains the core."""
    parts, rest = list[str](), 0
    at = text.find(core)
    while at >= 0:
        start, end = at, at + len(core)
        while start > rest and text[start - 1] in _BASE64:
            start -= 1
        while end < len(text) and text[end] in _BASE64:
            end += 1
        parts += (text[rest:start], HIDDEN)
        rest = end
        at = text.find(core, rest)
    return "".join((*parts, text[rest:]))

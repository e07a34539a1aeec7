"""Broken mails made of whole ones, and the question whether a reader lost a part of them."""

import email
import random
import re
from pathlib import Path

from redmine_mailbridge.mail.mime import structure

_BREAKERS = (
    b"\r", b"\n", b"\r\n\r\n", b"\0", b"--", b"=?utf-8?B?", b"?=", b'"', b";", b"\xff\xfe", b"=\r\n", b"<", b"(", b":",
    b"Content-Type: multipart/mixed; boundary=x\r\n", b"Content-Transfer-Encoding: base64\r\n", b"\x1b$B", b"charset=",
    b"begin 644 a\n", b"Content-Type: message/rfc822\r\n\r\n", b"Content-Disposition: attachment; filename*0*=utf-8''%",
)  # fmt: skip


def mails_in(*folders: Path) -> list[bytes]:
    """Return the bytes of all mails in these folders, smaller ones than 100 kB."""
    found = [path.read_bytes() for folder in folders for path in sorted(folder.rglob("*.eml"))]
    return [raw for raw in found if len(raw) < 100_000]


def mutant(rng: random.Random, mails: list[bytes]) -> bytes:
    """Return one of the mails with one to eight things broken: bits, stretches, lines, pieces of other mails."""
    raw = bytearray(rng.choice(mails))
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(raw) + 1)
        end = min(len(raw), at + rng.choice((1, 2, 5, 20, 200)))
        what = rng.randrange(7)
        if what == 0 and raw:
            raw[min(at, len(raw) - 1)] = rng.randrange(256)
        elif what == 1:
            del raw[at:end]
        elif what == 2:
            raw[at:at] = rng.choice(_BREAKERS)
        elif what == 3:
            raw[at:at] = raw[at:end] * rng.randint(1, 20)
        elif what == 4:
            other = rng.choice(mails)
            start = rng.randrange(len(other) + 1)
            raw[at:end] = other[start : start + rng.randint(1, 500)]
        elif what == 5:
            raw = bytearray(bytes(raw).replace(b"\r\n", rng.choice((b"\n", b"\r", b"\r\r\n", b"\r\n"))))
        else:
            raw[at:] = b"" if rng.random() < 0.1 else raw[at:]
    return bytes(raw)


def _payload(part: "email.message.Message[str, str]") -> object:
    try:
        return part.get_payload()
    except Exception:  # noqa: BLE001  the library stumbles over what the mail claims; then it is no oracle
        return None


def lost_parts(raw: bytes) -> list[str]:
    """Given a mail, return the media types of the leaves that the standard library sees and our tree does not hold.

    A leaf counts as held when its first telling line lies within one of our leaves, or in a header block of ours
    (the two disagree on where a broken header block ends, and either keeps the bytes).
    """
    try:
        message = email.message_from_bytes(raw)
    except Exception:  # noqa: BLE001  a mail that the library cannot read is no oracle
        return []
    root = structure.scan(raw)
    held = [bytes(raw[part.start : part.end]) for part in structure.leaves(root)]
    inner = [root]
    while inner:
        one = inner.pop()
        held.append(bytes(raw[one.start : one.body]))
        inner += one.children
    lost = []
    waiting = [message]
    while waiting:
        part = waiting.pop()
        payload = _payload(part)
        if part.get_content_maintype() == "multipart":  # one that it could not open is none of its leaves
            waiting += payload if isinstance(payload, list) else []
        elif isinstance(payload, str):
            data = (
                payload.encode("ascii", "surrogateescape")
                if payload.isascii()
                else payload.encode("utf-8", "surrogateescape")
            )
            line = next(
                (
                    line.strip()
                    for line in re.split(rb"[\r\n]", data)
                    if len(line.strip()) > 12 and not line.startswith(b"--")
                ),
                b"",
            )
            if line and line in raw and not any(line in one for one in held):
                lost.append(part.get_content_type())
    return lost

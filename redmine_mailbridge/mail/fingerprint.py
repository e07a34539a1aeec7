"""What makes a mail the same mail: its Message-ID, one made when it has none, and a hash over what stays."""

import hashlib

from redmine_mailbridge.mail.mime.header_block import Buffer
from redmine_mailbridge.mail.mime.headers import Headers

_PIECE = 256 * 1024
_STAYS = ("message-id", "date", "from", "to", "cc", "subject")


def message_id(headers: Headers, buffer: Buffer) -> tuple[str, bool]:
    """Given a mail, return its Message-ID without <>, or one made from all its bytes, and whether it was made."""
    ids = headers.ids("message-id")
    if ids:
        return ids[0], False
    return f"made.{_digest(buffer, 0, len(buffer), hashlib.sha256())[:40]}@mailbridge.invalid", True


def content_key(headers: Headers, buffer: Buffer, body: int) -> str:
    """Given a mail and where its body begins, return a hash (hex) that its copies share.

    It covers From, To, Cc, Date, Subject, Message-ID and the body without its line ends and the
    blanks at its end, and no trace field: what servers add or change on the way makes no difference.
    """
    digest = hashlib.sha256()
    for name in _STAYS:
        for line in headers.raw_lines(name):
            digest.update(f"{name}:{' '.join(line.split())}\n".encode("utf-8", "replace"))
    return _digest(buffer, body, len(buffer), digest)


def _digest(buffer: Buffer, start: int, end: int, digest: "hashlib._Hash") -> str:
    """Given a stretch, return the digest after it, line ends and the blanks at its very end passed over."""
    waiting = b""  # blanks that count only when something follows
    for at in range(start, end, _PIECE):
        piece = waiting + bytes(buffer[at : min(at + _PIECE, end)]).translate(None, b"\r\n")
        kept = piece.rstrip()
        digest.update(kept)
        waiting = piece[len(kept) :]
        if len(waiting) > _PIECE:
            digest.update(waiting)
            waiting = b""
    return digest.hexdigest()

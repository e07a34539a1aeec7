"""Writes a large mail to a file of its own while it arrives."""

import errno
import secrets
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from redmine_mailbridge.errors import StoreFull
from redmine_mailbridge.model.mailbox import Listed, RawMail

PIECE = 1 << 20
"""A mail up to here is held in memory; a larger one goes to a file, about as many bytes at a time."""

HEAD = 256 << 10
"""What is kept of a mail that is larger than the limit."""

MISSING = 64 << 10
"""Bytes by which the size that a server names may be wrong at least: some count line ends otherwise, some estimate."""


def seen_whole(raw: RawMail) -> RawMail:
    """Given a mail as it was fetched, return it; as one whose beginning only came, where that is less than half of what
    the server named, and much is missing: a server that cuts mails (a scanner before it, a full disk) says no word.
    """
    named_size = raw.listed.size
    received_size = raw.path.stat().st_size if raw.path is not None else len(raw.content or b"")
    cut = received_size < named_size // 2 and named_size - received_size > MISSING
    return replace(raw, truncated=True) if cut and not raw.truncated else raw


def to_file(spool: Path, mail: Listed, pieces: Iterable[bytes], max_size: int) -> RawMail:
    """Given a mail's pieces, write them to a new file in the spool and return it.

    The size that the server named is not trusted: above `max_size` bytes no more pieces are taken, and the
    beginning is returned without a file. Whatever goes wrong, no file is left. Raise StoreFull when the disk is.
    """
    path = spool / f"{secrets.token_hex(16)}.eml"
    done = False
    try:
        size = 0
        with path.open("xb") as file:
            for piece in pieces:
                file.write(piece)
                size += len(piece)
                if size > max_size:
                    break
        if size <= max_size:
            done = True
            return RawMail(mail, path=path)
        with path.open("rb") as file:
            return RawMail(mail, content=file.read(HEAD), truncated=True)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreFull(f"no room for a mail of {mail.size} bytes in {spool}: {error.strerror}") from None
        raise
    finally:
        if not done:
            path.unlink(missing_ok=True)

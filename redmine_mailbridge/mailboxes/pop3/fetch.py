"""Brings a raw mail over POP3: whole, or its beginning; a large one into a file of its own as it comes."""

import contextlib
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from redmine_mailbridge.mailboxes.imap.search import message_id_field
from redmine_mailbridge.mailboxes.pop3.session import MaildropEntry, Pop3Refused, Pop3Session
from redmine_mailbridge.mailboxes.spool import HEAD, PIECE, seen_whole, to_file
from redmine_mailbridge.model.mailbox import Listed, RawMail

HEAD_LINES = HEAD // 64
"""Lines asked for of a mail that is larger than the limit: enough to fill the beginning at the usual width."""


def fetch_one(session: Pop3Session, number: int, mail: Listed, spool: Path, *, max_size: int) -> tuple[RawMail, bool]:
    """Given a mail and its number in this session, return its bytes, and whether the connection can still be used.

    It cannot while the unwanted rest of a message is being received. Raise Refused, MailboxUnreachable; Refused
    too where the server says OK and sends nothing of a mail that has a size.
    """
    raw, usable = _fetched(session, number, mail, spool, max_size)
    if mail.size and raw.path is None and not raw.content:
        raise Pop3Refused("+OK, and not a byte of it")
    return seen_whole(raw), usable


def _fetched(session: Pop3Session, number: int, mail: Listed, spool: Path, max_size: int) -> tuple[RawMail, bool]:
    """As `fetch_one`, whatever came."""
    if mail.size > max_size:
        return _beginning(session, number, mail)
    lines = session.lines(f"RETR {number}")
    content = bytearray()
    for line in lines:
        content += line
        if len(content) > min(PIECE, max_size):
            break
    else:
        return RawMail(mail, content=bytes(content)), True
    raw = to_file(spool, mail, chain([bytes(content)], lines), max_size)
    return raw, not raw.truncated


def _beginning(session: Pop3Session, number: int, mail: Listed) -> tuple[RawMail, bool]:
    """Given a mail above the limit, return its first 256 KiB: by TOP, or by RETR and hanging up."""
    top = "TOP" in session.capabilities
    content = bytearray()
    usable = True
    for line in session.lines(f"TOP {number} {HEAD_LINES}" if top else f"RETR {number}"):
        content += line
        if len(content) > 2 * HEAD:
            usable = False
            break
    return RawMail(mail, content=bytes(content[:HEAD]), truncated=True), usable


def beginning_of(raw: RawMail) -> bytes:
    """Given a mail as it was fetched, return its beginning, with its header."""
    if raw.path is None:
        return (raw.content or b"")[:HEAD]
    with raw.path.open("rb") as file:
        return file.read(HEAD)


def message_id_fields(
    session: Pop3Session, entries: Mapping[str, MaildropEntry], uids: Sequence[str]
) -> dict[str, bytes]:
    """Given what lies there by name, and names, return the Message-ID fields of their headers, one request each.

    What has gone since the connection began is left out. Raise MailboxUnreachable.
    """
    fields: dict[str, bytes] = {}
    for uid in uids:
        if uid in entries:
            with contextlib.suppress(Pop3Refused):
                fields[uid] = message_id_field(session.head(entries[uid].number))
    return fields

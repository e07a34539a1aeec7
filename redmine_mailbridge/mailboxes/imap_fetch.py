"""Brings raw mails over IMAP: many small ones in one request, a large one piece by piece into a file."""

import errno
import secrets
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from redmine_mailbridge.errors import MailUnreadable, StoreFull
from redmine_mailbridge.mailboxes.base import Listed, RawMail
from redmine_mailbridge.mailboxes.imap_parse import NIL, fetched
from redmine_mailbridge.mailboxes.imap_session import Answer, ImapSession

PIECE = 1 << 20
"""A mail up to here comes whole; a larger one in pieces of this many bytes."""

CHUNK_MAILS = 50
CHUNK_BYTES = 4 << 20
HEAD = 256 << 10
"""What is fetched of a mail that is larger than the limit."""

Opener = Callable[[], ImapSession | None]
"""Gives the session with the mails' folder open, or None when the folder's validity is another one by now."""


def fetch_raw(open_folder: Opener, listed: Sequence[Listed], spool: Path, *, max_size: int) -> Iterator[RawMail]:
    """Given mails of one folder, yield their bytes in the same order; those that have vanished are left out.

    Raise MailUnreadable at the end, with the server's words, for mails that are there but are not handed out.
    """
    refused: dict[str, str] = {}
    for group in groups(listed, max_size):
        if group[0].size > max_size:
            found = head(open_folder, group[0], refused)
        elif group[0].size > PIECE:
            found = large(open_folder, group[0], spool, max_size, refused)
        else:
            yield from small(open_folder, group, max_size, refused)
            continue
        if found is not None:
            yield found
    if refused:
        text = "; ".join(f"UID {uid}: {words}" for uid, words in refused.items())
        raise MailUnreadable(f"the server does not hand out {len(refused)} mails: {text}", uids=tuple(refused))


def groups(listed: Sequence[Listed], max_size: int) -> Iterator[list[Listed]]:
    """Given mails, yield them in order: small ones together, bounded by number and bytes, any other alone."""
    group: list[Listed] = []
    total = 0
    for mail in listed:
        alone = mail.size > min(PIECE, max_size)
        if group and (alone or len(group) == CHUNK_MAILS or total + mail.size > CHUNK_BYTES):
            yield group
            group, total = [], 0
        if alone:
            yield [mail]
        else:
            group.append(mail)
            total += mail.size
    if group:
        yield group


def bodies(answer: Answer) -> dict[str, bytes]:
    """Given a FETCH answer, return the bytes by UID; a mail that is being removed comes as NIL and is left out."""
    found = fetched(answer.data.get("FETCH", []))
    return {mail.uid: mail.values["BODY"] for mail in found if mail.values.get("BODY", NIL) != NIL}


def small(open_folder: Opener, group: list[Listed], max_size: int, refused: dict[str, str]) -> Iterator[RawMail]:
    """Given small mails, yield them out of one request; where the server refuses it, out of one request each."""
    session = open_folder()
    if session is None:
        return
    answer = session.uid("FETCH", ",".join(mail.location.uid for mail in group), "(UID BODY.PEEK[])")
    found = bodies(answer)
    answer.data.clear()  # the chunk is held once, and less with every mail that goes out
    for mail in group:
        content = found.pop(mail.location.uid, None)
        if content is None and not answer.ok:
            content = single(open_folder, mail, "BODY.PEEK[]", refused)
        if content is None:
            continue
        if len(content) > max_size:
            yield RawMail(mail, content=content[:HEAD], truncated=True)
        else:
            yield RawMail(mail, content=content)


def single(open_folder: Opener, mail: Listed, what: str, refused: dict[str, str]) -> bytes | None:
    """Given one mail and what of it is wanted, return the bytes, or None: it has vanished, or stands in `refused`."""
    session = open_folder()
    if session is None:
        return None
    uid = mail.location.uid
    answer = session.uid("FETCH", uid, f"(UID {what})")
    content = bodies(answer).get(uid)
    if content is None and not answer.ok and present(session, uid):
        refused[uid] = answer.text
    return content


def present(session: ImapSession, uid: str) -> bool:
    """Given a UID in the open folder, say whether there is such a mail."""
    answer = session.uid("SEARCH", "UID", uid)
    return uid in answer.first("SEARCH").split()


def head(open_folder: Opener, mail: Listed, refused: dict[str, str]) -> RawMail | None:
    """Given a mail above the limit, return its first 256 KiB."""
    content = single(open_folder, mail, f"BODY.PEEK[]<0.{HEAD}>", refused)
    return None if content is None else RawMail(mail, content=content[:HEAD], truncated=True)


def large(open_folder: Opener, mail: Listed, spool: Path, max_size: int, refused: dict[str, str]) -> RawMail | None:
    """Given a large mail, write it to a new file in the spool, a piece at a time. Return it, or None as `single`.

    The size that the server named is not trusted: the end is where no more comes. Raise StoreFull when the disk is.
    """
    path = spool / f"{mail.location.uid}-{secrets.token_hex(8)}.eml"
    try:
        size = pour(open_folder, mail, path, max_size, refused)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StoreFull(f"no room for a mail of {mail.size} bytes in {spool}: {error.strerror}") from None
        raise
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    if size is None:
        path.unlink(missing_ok=True)
        return None
    if size > max_size:
        with path.open("rb") as file:
            content = file.read(HEAD)
        path.unlink()
        return RawMail(mail, content=content, truncated=True)
    return RawMail(mail, path=path)


def pour(open_folder: Opener, mail: Listed, path: Path, max_size: int, refused: dict[str, str]) -> int | None:
    """Given a mail and a new file's path, write the mail there. Return how many bytes it has, None if it is gone."""
    offset = 0
    with path.open("xb") as file:
        while offset <= max_size:
            piece = single(open_folder, mail, f"BODY.PEEK[]<{offset}.{PIECE}>", refused)
            if piece is None:
                return None
            file.write(piece)
            offset += len(piece)
            if not piece or (len(piece) < PIECE and offset >= mail.size):
                break
    return offset

"""Brings raw mails over IMAP: many small ones in one request, a large one piece by piece into a file."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from redmine_mailbridge.errors import MailUnreadable, MailVanished
from redmine_mailbridge.mailboxes.imap.parse import NIL, by_uid
from redmine_mailbridge.mailboxes.imap.session import ImapResponse, ImapSession
from redmine_mailbridge.mailboxes.spool import HEAD, PIECE, seen_whole, to_file
from redmine_mailbridge.model.mailbox import Listed, RawMail

CHUNK_MAILS = 50
CHUNK_BYTES = 4 << 20
Opener = Callable[[], ImapSession | None]
"""Gives the session with the mails' folder open, or None when the folder's validity is another one by now."""


def fetch_raw(open_folder: Opener, listed: Sequence[Listed], spool: Path, *, max_size: int) -> Iterator[RawMail]:
    """Given mails of one folder, yield their bytes in the same order; those that have vanished are left out.

    Raise MailUnreadable, with the server's words, at a mail that is there but is not handed out.
    """
    for group in groups(listed, max_size):
        if group[0].size > max_size:
            raw = fetch_head(open_folder, group[0], max_size)
        elif group[0].size > PIECE:
            raw = fetch_large(open_folder, group[0], spool, max_size)
        else:
            yield from fetch_batch(open_folder, group, max_size)
            continue
        if raw is not None:
            yield raw


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


def bodies(answer: ImapResponse) -> dict[str, bytes]:
    """Given a FETCH answer, return the bytes by UID; a mail that is being removed comes as NIL and is left out."""
    values_by_uid = by_uid(answer.data.get("FETCH", []))
    return {uid: values["BODY"] for uid, values in values_by_uid.items() if values.get("BODY", NIL) != NIL}


def fetch_batch(open_folder: Opener, group: list[Listed], max_size: int) -> Iterator[RawMail]:
    """Given small mails, yield them out of one request; those that its answer leaves out, out of one request each."""
    bodies_by_uid: dict[str, bytes] = {}
    session = open_folder() if len(group) > 1 else None
    if session is not None:
        bodies_by_uid = together(session, group)
    for mail in group:
        # the chunk is held once, and less with every mail that goes out
        content = bodies_by_uid.pop(mail.location.uid, None)
        if not content:
            content = fetch_one(open_folder, mail, "BODY.PEEK[]")
        if content is None:
            continue
        if len(content) > max_size:
            yield RawMail(mail, content=content[:HEAD], truncated=True)
        else:
            yield seen_whole(RawMail(mail, content=content))


def together(session: ImapSession, group: list[Listed]) -> dict[str, bytes]:
    """Given small mails of the open folder, return what one request brings of them, by UID."""
    answer = session.uid("FETCH", ",".join(mail.location.uid for mail in group), "(UID BODY.PEEK[])")
    if answer.throttled:
        session.require_ok(answer)
    return bodies(answer)


def fetch_one(open_folder: Opener, mail: Listed, section: str, *, begun: bool = False) -> bytes | None:
    """Given one mail and what of it is wanted, return the bytes; None if it has vanished. Raise MailUnreadable.

    Where the server names a size, no bytes at all are no mail: it does not hand it out.
    `begun` says that bytes before these have come: then nothing (NIL, or no answer) to what lies behind the end, from a
    server that is well, is b"".
    """
    session = open_folder()
    if session is None:
        return None
    uid = mail.location.uid
    answer = session.uid("FETCH", uid, f"(UID {section})")
    if answer.throttled:
        session.require_ok(answer)
    content = bodies(answer).get(uid)
    content = None if not content and mail.size and not begun else content
    if content is None and (answer.later or exists(session, uid)):
        if begun and answer.ok:
            return b""
        why = f"{session.where}: the server does not hand out UID {uid}: {answer.text}"
        raise MailUnreadable(why, uid=uid, of_server=answer.later)
    return content


def exists(session: ImapSession, uid: str) -> bool:
    """Given a UID in the open folder, say whether there is such a mail. Raise MailboxUnreachable.

    It is searched once, as long as the server reports no expunged message.
    """
    seen = session.selected.seen if session.selected is not None else set()
    if uid not in seen and uid in session.require_ok(session.uid("SEARCH", "UID", uid)).all_words("SEARCH"):
        seen.add(uid)
    return uid in seen


def fetch_head(open_folder: Opener, mail: Listed, max_size: int) -> RawMail | None:
    """Given a mail above the limit, return its first 256 KiB; all of it, where that is not more."""
    content = fetch_one(open_folder, mail, f"BODY.PEEK[]<0.{HEAD}>")
    if content is None:
        return None
    whole = len(content) < HEAD and len(content) <= max_size
    whole = whole and fetch_one(open_folder, mail, f"BODY.PEEK[]<{len(content)}.{HEAD}>", begun=True) == b""
    return RawMail(mail, content=content[:HEAD], truncated=not whole)


def fetch_large(open_folder: Opener, mail: Listed, spool: Path, max_size: int) -> RawMail | None:
    """Given a large mail, write it to a new file in the spool, a piece at a time. Return it, None if it vanished."""
    try:
        return to_file(spool, mail, pieces(open_folder, mail), max_size)
    except MailVanished:
        return None


def pieces(open_folder: Opener, mail: Listed) -> Iterator[bytes]:
    """Given a mail, yield it in pieces. Raise MailVanished, MailUnreadable.

    The end is where no more comes, whatever size the server named. Where it names more than came, its last octet is
    asked for again: a server that hands out nothing in the middle of a mail has not come to its end.
    """
    offset = 0
    while True:
        piece = fetch_one(open_folder, mail, f"BODY.PEEK[]<{offset}.{PIECE}>", begun=offset > 0)
        if piece == b"" and 0 < offset < mail.size:
            again = fetch_one(open_folder, mail, f"BODY.PEEK[]<{offset - 1}.{PIECE}>", begun=True)
            if again == b"":
                place = mail.location
                why = f"mailbox {place.mailbox}: the server hands out {offset} bytes of {mail.size} of UID {place.uid}"
                raise MailUnreadable(why, uid=place.uid)
            piece = again and again[1:]
        if piece is None:
            raise MailVanished(f"UID {mail.location.uid} is not there any more")
        yield piece
        offset += len(piece)
        if not piece or (len(piece) < PIECE and offset >= mail.size):
            return

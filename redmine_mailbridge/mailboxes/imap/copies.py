"""Finds a copy that a move of several steps has left in another folder before it was cut off."""

from collections.abc import Sequence

from redmine_mailbridge.mailboxes.errors import ConnectionLost
from redmine_mailbridge.mailboxes.imap.filing import exists, moves_at_once
from redmine_mailbridge.mailboxes.imap.parse import NIL, by_uid
from redmine_mailbridge.mailboxes.imap.search import SIZES_AT_ONCE, found_by_id, header_values, message_id_field
from redmine_mailbridge.mailboxes.imap.session import ImapSession


def copied(session: ImapSession, uid: str, target: str, wire: bytes) -> bool:
    """Given a UID in the open folder and another folder, does the same mail lie there, left by a move that was cut off?

    It has the same header, to the letter, and the same size. The open folder is open again afterwards.
    """
    source = session.selected
    if source is None or moves_at_once(session) or not exists(session, uid):
        return False
    mail = heads(session, [uid]).get(uid)
    if not mail or not session.select(target, wire).ok:
        is_copied = False
    else:
        ids = header_values(message_id_field(mail[1]))
        uids = found_by_id(session, min(ids, key=len)) if ids else ()
        uids = uids or of_size(session, mail[0])
        is_copied = mail in heads(session, uids).values()
    opened = session.select(source.name, source.wire)
    if not opened.ok or session.selected is None or session.selected.uid_validity != source.uid_validity:
        raise ConnectionLost(f"{session.where}: folder {source.name!r} is another one than a moment ago: {opened.text}")
    return is_copied


def heads(session: ImapSession, uids: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    """Given UIDs in the open folder, return size and header of those that are there and have both."""
    heads_by_uid: dict[str, tuple[int, bytes]] = {}
    for start in range(0, len(uids), SIZES_AT_ONCE):
        uid_list = ",".join(uids[start : start + SIZES_AT_ONCE])
        answer = session.require_ok(session.uid("FETCH", uid_list, "(UID RFC822.SIZE BODY.PEEK[HEADER])"))
        for uid, values in by_uid(answer.data.get("FETCH", [])).items():
            if values.get("RFC822.SIZE", b"").isdigit() and values.get("BODY", NIL) != NIL:
                heads_by_uid[uid] = int(values["RFC822.SIZE"]), values["BODY"]
    return heads_by_uid


def of_size(session: ImapSession, size: int) -> tuple[str, ...]:
    """Given a size in bytes, return the UIDs in the open folder of the mails that have it."""
    answer = session.require_ok(session.uid("SEARCH", "LARGER", str(size - 1), "SMALLER", str(size + 1)))
    return tuple(answer.all_words("SEARCH"))

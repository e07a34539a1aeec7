"""Moves, deletes and marks exactly one mail over IMAP. A plain EXPUNGE is never sent."""

from redmine_mailbridge.errors import FilingRefused, MailboxUnreachable
from redmine_mailbridge.mailboxes.imap.session import ImapResponse, ImapSession
from redmine_mailbridge.model.mailbox import Filing

DONE = "$MailbridgeDone"
"""The keyword of a mail that is done with and stays where it is."""

MISSING = frozenset({"TRYCREATE", "NONEXISTENT"})


class TargetMissing(FilingRefused):
    """The folder to move to does not exist."""

    def __init__(self, answer: ImapResponse) -> None:
        super().__init__(answer.text)
        self.answer = answer


def expunges_one(session: ImapSession) -> bool:
    """Say whether the server can remove one mail and no other (UIDPLUS, RFC 4315)."""
    return session.has("UIDPLUS") or session.has("IMAP4REV2")


def exists(session: ImapSession, uid: str) -> bool:
    """Given a UID in the open folder, say whether there is such a mail, and it is not one that we moved as far as
    a server without UID EXPUNGE lets us.
    """
    undeleted = () if expunges_one(session) or session.has("MOVE") else ("UNDELETED",)
    return uid in session.require_ok(session.uid("SEARCH", "UID", uid, *undeleted)).all_words("SEARCH")


def moves_at_once(session: ImapSession) -> bool:
    """Say whether a move is one step (MOVE, RFC 6851), which is done or not."""
    return session.has("MOVE") or session.has("IMAP4REV2")


def move(session: ImapSession, uid: str, target: bytes, *, copied: bool = False) -> Filing:
    """Given a UID in the open folder and the name of another for the wire, move the mail. `copied`: it lies there.

    Return MOVED, which COPYUID or an EXPUNGE proves, or GONE. Raise FilingRefused with the server's words.
    """
    if moves_at_once(session):
        answer = expect(session.uid("MOVE", uid, target), session, uid)
        proven = "COPYUID" in answer.data or (not expunges_one(session) and "EXPUNGE" in answer.data)
        return Filing.MOVED if proven else Filing.GONE
    if not exists(session, uid):
        return Filing.GONE
    if not copied:
        answer = expect(session.uid("COPY", uid, target), session, uid)
        if expunges_one(session) and "COPYUID" not in answer.data and not exists(session, uid):
            return Filing.GONE
    remove(session, uid)
    return Filing.MOVED


def delete(session: ImapSession, uid: str) -> Filing:
    """Given a UID in the open folder, remove the mail. Return DELETED or GONE. Raise FilingRefused."""
    if not exists(session, uid):
        return Filing.GONE
    remove(session, uid)
    return Filing.DELETED


def remove(session: ImapSession, uid: str) -> None:
    """Given a UID in the open folder, mark it as deleted and expunge it alone.

    Without UIDPLUS it stays there, marked: an EXPUNGE would take the marked mails of everybody else with it.
    """
    expect(session.uid("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)"), session, uid)
    if expunges_one(session):
        expect(session.uid("EXPUNGE", uid), session, uid)


def mark(session: ImapSession, uid: str) -> Filing:
    """Given a UID in the open folder, set the keyword, where keywords are kept. Return KEPT or GONE."""
    if not exists(session, uid):
        return Filing.GONE
    if keeps_keywords(session):
        expect(session.uid("STORE", uid, "+FLAGS.SILENT", f"({DONE})"), session, uid)
    return Filing.KEPT


def keeps_keywords(session: ImapSession) -> bool:
    """Say whether the open folder keeps our keyword."""
    if session.selected is None:
        return False
    flags = session.selected.answer.first("PERMANENTFLAGS")
    return "\\*" in flags or DONE.lower() in flags.lower()


def rights(session: ImapSession) -> str | None:
    """Return the rights in the open folder as letters (MYRIGHTS, RFC 4314), None if the server does not report them.

    The rights of RFC 2086, `c` and `d`, are mapped to their RFC 4314 equivalents.
    """
    if session.selected is None or not session.has("ACL"):
        return None
    answer = session.command("MYRIGHTS", session.selected.wire)
    mailer = answer.first("MYRIGHTS").rpartition(" ")[2].strip('"')
    if not answer.ok or not mailer.isalnum():
        return None
    return mailer + ("te" if "d" in mailer else "") + ("kx" if "c" in mailer else "")


def expect(answer: ImapResponse, session: ImapSession, uid: str) -> ImapResponse:
    """Given an answer to a change, return it if the server did it. Raise FilingRefused (or TargetMissing) if not."""
    if answer.ok:
        return answer
    if answer.code in MISSING:
        raise TargetMissing(answer)
    folder = session.selected.name if session.selected else ""
    if answer.later:
        why = f"{session.where}: folder {folder!r}, UID {uid}: the server is not able to now: {answer.text}"
        raise MailboxUnreachable(why, answered=True)
    raise FilingRefused(f"{session.where}: folder {folder!r}, UID {uid}: the server refuses: {answer.text}")

"""What `check` asks a mail server: in, what lies in each folder, and how mails are filed. Writes nothing there."""

import datetime as dt
from collections.abc import Iterator

from redmine_mailbridge.checks import Check
from redmine_mailbridge.errors import FolderMissing, LoginRefused, MailboxError
from redmine_mailbridge.mailboxes.base import Connected, Mailbox
from redmine_mailbridge.settings.mailbox import MailboxSettings

SOON = 21
"""Days of a certificate's rest below which somebody should know."""

MOVES = {
    "move": (True, "MOVE: in one step"),
    "copy": (True, "without MOVE: copied, then this one mail is expunged (UIDPLUS)"),
    "mark": (
        None,
        "neither MOVE nor UIDPLUS: copied, and the old one stays, marked as deleted, until somebody expunges",
    ),
    "none": (True, "no moves with POP3"),
}
ADVICE = (
    ("certificate is not accepted", "Give ca_file when the server's certificate is your own authority's."),
    ("name or service not known", "Is host written right, and does this machine's DNS know it?"),
    ("connection refused", "Nothing listens there: are host, port and security right together?"),
    ("no answer in time", "A firewall, or another port than this security belongs to (tls: 993, 995)."),
    ("wrong version number", 'The server speaks no TLS on this port: security = "starttls", or another port.'),
    ("record layer failure", 'The server speaks no TLS on this port: security = "starttls", or another port.'),
)
LOGIN_ADVICE = "Are username and password right? Some providers want an app password, or have IMAP switched off."


def mailbox_checks(name: str, box: MailboxSettings, mailbox: Mailbox) -> Iterator[Check]:
    """Given a mailbox's settings and the mailbox, yield what is found, as it is found; the connection is closed."""
    here = f"mailbox {name}"
    try:
        try:
            connected = mailbox.connected()
        except LoginRefused as error:
            yield Check(f"{here}: login", False, f"{error}\n{LOGIN_ADVICE}")
            return
        except MailboxError as error:
            yield Check(f"{here}: connection", False, advised(error))
            return
        yield _connection(here, box, connected)
        yield Check(f"{here}: login", True, f"{box.username} by {connected.mechanism}")
        yield from _folders(here, box, mailbox)
        if box.after_success == "move" or box.after_failure == "move":
            ok, words = MOVES[connected.moves]
            yield Check(f"{here}: filing", ok, words)
        else:
            yield Check(f"{here}: filing", True, f"done: {box.after_success}; refused: {box.after_failure}")
    except MailboxError as error:
        yield Check(f"{here}: connection", False, advised(error))
    finally:
        mailbox.close()


def _connection(here: str, box: MailboxSettings, connected: Connected) -> Check:
    """Where to, protected how, and for how long the certificate is good."""
    words = [f"{box.host}:{box.port}", connected.tls or "no TLS"]
    days: int | None = None
    if connected.certificate_until is not None:
        days = (connected.certificate_until - dt.datetime.now(dt.UTC)).days
        words.append(f"certificate good for {days} days")
    words.append("tells of new mail at once (IDLE)" if connected.pushes else "is asked on schedule (no IDLE)")
    return Check(f"{here}: connection", None if days is not None and days < SOON else True, ", ".join(words))


def _folders(here: str, box: MailboxSettings, mailbox: Mailbox) -> Iterator[Check]:
    """The folders to read, which must be there, and those to file to, which can be made."""
    moves = "move" in (box.after_success, box.after_failure)
    for folder in box.folders:
        try:
            state = mailbox.state(folder)
        except FolderMissing as error:
            yield Check(f"{here}: folder {folder}", False, str(error))
            continue
        words = f"{state.messages} mail{'' if state.messages == 1 else 's'}"
        stuck = state.read_only and moves
        more = ", read-only: no mail can be moved out of it" if stuck else ", read-only" if state.read_only else ""
        yield Check(f"{here}: folder {folder}", not stuck, words + more)
    for what, target in (("success", box.success_folder), ("failure", box.failure_folder)):
        if target and getattr(box, f"after_{what}") == "move":
            yield _target(f"{here}: {what} folder {target}", target, mailbox)


def _target(title: str, folder: str, mailbox: Mailbox) -> Check:
    try:
        state = mailbox.state(folder)
    except FolderMissing as error:
        if folder in mailbox.folders():
            return Check(title, False, str(error))
        return Check(title, True, "not there yet: will be made")
    if state.read_only:
        return Check(title, False, "read-only: no mail can be moved into it")
    return Check(title, True, "there")


def advised(error: MailboxError) -> str:
    """Given an error, return its text with the server's own words, and a line of advice where one is known."""
    text = str(error)
    low = text.lower()
    return text + next((f"\n{advice}" for words, advice in ADVICE if words in low), "")

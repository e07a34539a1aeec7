"""What `check` asks a mail server: name, port, TLS, greeting, login, folders, filing. Writes nothing there."""

import datetime as dt
from collections.abc import Iterator

from redmine_mailbridge.checks import port as ports
from redmine_mailbridge.checks.advice import advice, login_advice, with_advice
from redmine_mailbridge.checks.result import Check, is_unproven, line_of
from redmine_mailbridge.checks.vouching import vouched
from redmine_mailbridge.errors import (
    FolderMissing,
    LoginRefused,
    MailboxError,
    MailboxUnreachable,
    SettingsError,
    SignInNeeded,
)
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mailbox import Connected, FolderState
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.presets import presets

SOON = 21
"""Days of a certificate's rest below which somebody should know."""

MOST_LOOKED_THROUGH = 2000
"""In a folder of more mails nobody looks for who vouches for senders: the list alone would take long."""
MOVES = {
    "move": (True, "MOVE: in one step, atomic"),
    "copy": (True, "not atomic, without MOVE: copied, then this one mail is expunged (UIDPLUS)"),
    "mark": (None, "not atomic: neither MOVE nor UIDPLUS; copied, and the old one stays, marked as deleted"),
    "none": (True, "no moves with POP3"),
}
RIGHT_NAMES = {"t": "mark as deleted", "e": "expunge", "i": "put mails in", "w": "set keywords", "r": "read"}


def mailbox_checks(name: str, box: MailboxSettings, mailbox: Mailbox) -> Iterator[Check]:
    """Given a mailbox's settings and the mailbox, yield what is found, as it is found; the connection is closed."""
    here = f"mailbox {name}"
    try:
        resolved = _name(here, box)
        yield resolved
        if resolved.ok is False:
            return
        try:
            connected = mailbox.connected()
        except SignInNeeded as error:  # the server was not even asked
            yield Check(f"{here}: login", False, str(error))
            return
        except LoginRefused as error:
            known = presets()[box.preset].advice if box.preset else ""
            words = login_advice(str(error), box.host, by_token=box.oauth is not None, preset_advice=known)
            if isinstance(error.met, Connected):
                yield from _connection(here, box, error.met)
            yield Check(f"{here}: login", False, f"{error}\n{words}")
            return
        except MailboxError as error:
            yield from _unreachable(here, box, error)
            return
        yield from _connection(here, box, connected)
        yield Check(f"{here}: login", True, f"{box.username} by {connected.mechanism}")
        yield from _folders(here, box, mailbox)
        if is_unproven(box):
            yield from _vouching(here, name, box, mailbox)
        if box.after_success == "move" or box.after_failure == "move":
            ok, words = MOVES[connected.moves]
            yield Check(f"{here}: filing", ok, words)
        else:
            yield Check(f"{here}: filing", True, f"done: {box.after_success}; refused: {box.after_failure}")
    except SettingsError as error:  # such as a ca_file that holds no certificate
        yield Check(f"{here}: connection", False, str(error))
    except MailboxError as error:
        yield Check(f"{here}: folders", False, advised(error))
    finally:
        mailbox.close()


def _name(here: str, box: MailboxSettings) -> Check:
    """Whether the host's name has addresses."""
    try:
        found = ports.addresses(box.host)
    except (OSError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or "is no name of a host"
        return Check(f"{here}: name", False, _with(f"{box.host}: {words}", advice(words)))
    words = box.host if found == (box.host,) else f"{box.host} is {', '.join(found[:4])}"
    return Check(f"{here}: name", True, words)


def _unreachable(here: str, box: MailboxSettings, error: MailboxError) -> Iterator[Check]:
    """No connection, or none that can be used: whether the port is open at all, and what speaks there instead."""
    try:
        ports.opens(box.host, box.port, box.timeout.total_seconds())
    except OSError:
        yield Check(f"{here}: port", False, advised(error))
        return
    yield Check(f"{here}: port", True, f"{box.port} is open")
    yield Check(f"{here}: connection", False, _with(str(error), _instead(box, error) or advice(str(error))))


def _instead(box: MailboxSettings, error: MailboxError) -> str:
    """Given an error of an open port, return what is there instead of what the settings expect, if that can be told."""
    text = str(error).lower()
    if "certificate" in text and box.security != "none":
        shown = ports.certificate(box.host, box.port, box.security, box.protocol)
        return _with(str(shown), advice(text)) if shown else ""
    if not isinstance(error, MailboxUnreachable):
        return ""
    spoken = ports.speaks(box.host, box.port)
    if box.security == "tls" and spoken not in {"", "tls"}:
        return f'The server speaks first, and without TLS: "{spoken[:100]}": security = "starttls", or another port.'
    if box.security != "tls" and spoken == "tls":
        return 'The server speaks TLS from the first byte on this port: security = "tls".'
    return ""


def _connection(here: str, box: MailboxSettings, connected: Connected) -> Iterator[Check]:
    """Where to, protected how, for how long the certificate is good; what the server says of itself."""
    yield Check(f"{here}: port", True, f"{connected.peer or box.port} is open")
    words = [f"{box.host}:{box.port}", connected.tls or "no TLS"]
    days: int | None = None
    if connected.certificate_until is not None:
        days = (connected.certificate_until - dt.datetime.now(dt.UTC)).days
        words.append(f"certificate good for {days} days")
    if connected.mechanism:
        words.append("tells of new mail at once (IDLE)" if connected.pushes else "is asked on schedule (no IDLE)")
    yield Check(f"{here}: connection", None if days is not None and days < SOON else True, ", ".join(words))
    yield Check(f"{here}: greeting", True, connected.greeting or "(nothing)")
    yield Check(f"{here}: capabilities", True, " ".join(connected.capabilities) or "the server names none")


def _folders(here: str, box: MailboxSettings, mailbox: Mailbox) -> Iterator[Check]:
    """The folders to read, which must be there, and those to file to, which can be made."""
    for folder in box.folders:
        try:
            state = mailbox.state(folder)
        except FolderMissing as error:
            yield Check(f"{here}: folder {folder}", False, str(error))
            continue
        yield _readable(f"{here}: folder {folder}", state, box)
    for what, target in (("success", box.success_folder), ("failure", box.failure_folder)):
        if target and getattr(box, f"after_{what}") == "move":
            yield _target(f"{here}: {what} folder {target}", target, mailbox)


def _readable(title: str, state: FolderState, box: MailboxSettings) -> Check:
    """A folder to read: how many mails, and whether they can be dealt with as the settings say."""
    words = f"{state.messages} mail{'' if state.messages == 1 else 's'}"
    if box.undecided and state.messages:
        words += (
            ', and no start_from: if it has not been read yet, the first pass asks whether they count ("all", "now")'
        )
    removes = {"move", "delete"} & {box.after_success, box.after_failure}
    if box.protocol == "pop3":
        return Check(title, True, words)
    if state.read_only:
        more = ", read-only: no mail can be moved out of it" if removes else ", read-only"
        return Check(title, not removes, words + more)
    lacking = _lacking(state, "te" if removes else "w")
    if lacking and removes:
        return Check(title, False, f"{words}, but no right to {lacking}: no mail can be moved out of it")
    if lacking or (not removes and not state.keywords):
        return Check(title, None, f"{words}, writable, but keeps no keywords: what is done is remembered here only")
    return Check(title, True, f"{words}, writable")


def _vouching(here: str, name: str, box: MailboxSettings, mailbox: Mailbox) -> Iterator[Check]:
    """Whose word could prove senders, where nobody's does: as far as the mails tell that lie there."""
    state = mailbox.state(box.folders[0])
    if not 0 < state.messages <= MOST_LOOKED_THROUGH:
        return
    found = vouched(mailbox, list(mailbox.list_new(box.folders[0])))
    if found.name:
        words = f"{found.said}. If that is your own server, add {line_of(name, found.name)}"
        yield Check(f"{here}: senders", None, words)


def _target(title: str, folder: str, mailbox: Mailbox) -> Check:
    try:
        state = mailbox.state(folder)
    except FolderMissing as error:
        if folder in mailbox.folders():
            return Check(title, False, str(error))
        return Check(title, True, "not there yet: will be made")
    if state.read_only:
        return Check(title, False, "read-only: no mail can be moved into it")
    lacking = _lacking(state, "i")
    if lacking:
        return Check(title, False, f"no right to {lacking}: no mail can be moved into it")
    return Check(title, True, f"there, {state.messages} mail{'' if state.messages == 1 else 's'}, writable")


def _lacking(state: FolderState, needed: str) -> str:
    """Given what a folder needs (RFC 4314 rights), return the names of those that the server does not give."""
    if state.rights is None:
        return ""
    return ", ".join(RIGHT_NAMES[right] for right in needed if right not in state.rights)


def advised(error: MailboxError) -> str:
    """Given an error, return its text with the server's own words, and a line of advice where one is known."""
    return with_advice(str(error))


def _with(text: str, line: str) -> str:
    return f"{text}\n{line}" if line else text

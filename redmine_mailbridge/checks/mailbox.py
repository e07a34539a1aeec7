"""What `check` asks a mail server: name, port, TLS, greeting, login, folders, filing. Writes nothing there."""

import datetime as dt
from collections.abc import Iterator

from redmine_mailbridge.checks import port as ports
from redmine_mailbridge.checks.advice import advice, login_advice, with_advice, with_line
from redmine_mailbridge.checks.delivered import delivered_checks, left_in_the_spool
from redmine_mailbridge.checks.result import Check, is_unproven, line_of
from redmine_mailbridge.checks.vouching import vouched
from redmine_mailbridge.conditions.rules import CERTIFICATE_DAYS
from redmine_mailbridge.errors import (
    FolderMissing,
    LoginRefused,
    MailboxError,
    MailboxUnreachable,
    SettingsError,
    SignInNeeded,
)
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mailbox import JUNK, ConnectionInfo, FolderState
from redmine_mailbridge.settings.mailbox import MailboxSettings
from redmine_mailbridge.settings.presets import presets

MOST_LOOKED_THROUGH = 2000
"""The largest folder that is searched for authenticated senders: listing a larger one would take too long."""
MOVES = {
    "move": (True, "MOVE: one atomic step"),
    "copy": (True, "not atomic, without MOVE: the message is copied, then expunged alone (UIDPLUS)"),
    "mark": (None, "not atomic, without MOVE and UIDPLUS: copied, and the original stays, marked as deleted"),
    "none": (True, "no moves with POP3"),
}
RIGHT_NAMES = {"t": "mark as deleted", "e": "expunge", "i": "insert messages", "w": "set keywords", "r": "read"}


def mailbox_checks(name: str, box: MailboxSettings, mailbox: Mailbox) -> Iterator[Check]:
    """Given a mailbox's settings and the mailbox, yield each result as it is found; the connection is closed."""
    here = f"mailbox {name}"
    if box.protocol == "deliver":
        yield from delivered_checks(name, box, mailbox)
        return
    yield from left_in_the_spool(name, box)
    try:
        resolved = _name(here, box)
        yield resolved
        if resolved.ok is False:
            return
        try:
            connected = mailbox.connected()
        except SignInNeeded as error:  # the server was not contacted
            yield Check(f"{here}: login", False, str(error))
            return
        except LoginRefused as error:
            preset_advice = presets()[box.preset].advice if box.preset else ""
            words = login_advice(str(error), box.host, by_token=box.oauth is not None, preset_advice=preset_advice)
            if isinstance(error.met, ConnectionInfo):
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
            yield Check(
                f"{here}: filing", True, f"after success: {box.after_success}; after failure: {box.after_failure}"
            )
    except SettingsError as error:  # such as a ca_file without a certificate
        yield Check(f"{here}: connection", False, str(error))
    except MailboxError as error:
        yield Check(f"{here}: folders", False, with_advice(str(error)))
    finally:
        mailbox.close()


def _name(here: str, box: MailboxSettings) -> Check:
    """Whether the host name resolves."""
    try:
        resolved = ports.addresses(box.host)
    except (OSError, UnicodeError) as error:
        words = getattr(error, "strerror", None) or "does not resolve"
        return Check(f"{here}: name", False, with_line(f"{box.host}: {words}", advice(words)))
    words = box.host if resolved == (box.host,) else f"{box.host} is {', '.join(resolved[:4])}"
    return Check(f"{here}: name", True, words)


def _unreachable(here: str, box: MailboxSettings, error: MailboxError) -> Iterator[Check]:
    """No connection, or none that can be used: whether the port is open at all, and what answers there instead."""
    try:
        ports.opens(box.host, box.port, box.timeout.total_seconds())
    except OSError:
        yield Check(f"{here}: port", False, with_advice(str(error)))
        return
    yield Check(f"{here}: port", True, f"{box.port} is open")
    yield Check(f"{here}: connection", False, with_line(str(error), _instead(box, error) or advice(str(error))))


def _instead(box: MailboxSettings, error: MailboxError) -> str:
    """Given an error of an open port, return what answers there instead of what the settings expect, if it is known."""
    text = str(error).lower()
    if "certificate" in text and box.security != "none":
        shown = ports.certificate(box.host, box.port, box.security, box.protocol)
        return with_line(str(shown), advice(text)) if shown else ""
    if not isinstance(error, MailboxUnreachable):
        return ""
    greeting = ports.speaks(box.host, box.port)
    if box.security == "tls" and greeting not in {"", "tls"}:
        return f'The server starts without TLS ("{greeting[:100]}"): set security = "starttls" or another port.'
    if box.security != "tls" and greeting == "tls":
        return 'The server starts with TLS on this port: set security = "tls".'
    return ""


def _connection(here: str, box: MailboxSettings, connected: ConnectionInfo) -> Iterator[Check]:
    """The peer, the encryption, how long the certificate is valid, and what the server announces."""
    yield Check(f"{here}: port", True, f"{connected.peer or box.port} is open")
    words = [f"{box.host}:{box.port}", connected.tls or "no TLS"]
    days: int | None = None
    if connected.certificate_until is not None:
        days = (connected.certificate_until - dt.datetime.now(dt.UTC)).days
        words.append(f"certificate valid for {days} days")
    if connected.mechanism:
        words.append("reports new mail at once (IDLE)" if connected.pushes else "is polled on schedule (no IDLE)")
    yield Check(f"{here}: connection", None if days is not None and days < CERTIFICATE_DAYS else True, ", ".join(words))
    yield Check(f"{here}: greeting", True, connected.greeting or "(none)")
    yield Check(f"{here}: capabilities", True, " ".join(connected.capabilities) or "the server announces none")


def _folders(here: str, box: MailboxSettings, mailbox: Mailbox) -> Iterator[Check]:
    """The folders to read, which must exist, and those to file to, which can be created."""
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

    if box.senders.spam == "junk":
        target = box.junk_folder or mailbox.junk() or JUNK
        yield _target(f"{here}: junk folder {target}", target, mailbox)


def _readable(title: str, state: FolderState, box: MailboxSettings) -> Check:
    """A folder to read: its number of messages, and whether they can be handled as the settings say."""
    words = f"{state.messages} message{'' if state.messages == 1 else 's'}"
    if box.undecided and state.messages:
        words += ', and no start_from: if it was never read, the first pass asks whether to import them ("all", "now")'
    removes = {"move", "delete"} & {box.after_success, box.after_failure}
    if box.protocol == "pop3":
        return Check(title, True, words)
    if state.read_only:
        more = ", read-only: messages cannot be moved out of it" if removes else ", read-only"
        return Check(title, not removes, words + more)
    lacking = _lacking(state, "te" if removes else "w")
    if lacking and removes:
        return Check(title, False, f"{words}, but without the right to {lacking}: messages cannot be moved")
    if lacking or (not removes and not state.keywords):
        return Check(
            title,
            None,
            f"{words}, writable, but the server stores no keywords: processed messages are recorded in the database "
            "only",
        )
    return Check(title, True, f"{words}, writable")


def _vouching(here: str, name: str, box: MailboxSettings, mailbox: Mailbox) -> Iterator[Check]:
    """Whose verdict could authenticate senders, where none is trusted: as far as the existing messages show."""
    state = mailbox.state(box.folders[0])
    if not 0 < state.messages <= MOST_LOOKED_THROUGH:
        return
    vouching = vouched(mailbox, list(mailbox.list_new(box.folders[0])))
    if vouching.name:
        words = f"{vouching.summary}. If this is your own server, add {line_of(name, vouching.name)}"
        yield Check(f"{here}: senders", None, words)


def _target(title: str, folder: str, mailbox: Mailbox) -> Check:
    try:
        state = mailbox.state(folder)
    except FolderMissing as error:
        if folder in mailbox.folders():
            return Check(title, False, str(error))
        return Check(title, True, "does not exist yet: will be created")
    if state.read_only:
        return Check(title, False, "read-only: messages cannot be moved into it")
    lacking = _lacking(state, "i")
    if lacking:
        return Check(title, False, f"no right to {lacking}: messages cannot be moved into it")
    return Check(title, True, f"exists, {state.messages} message{'' if state.messages == 1 else 's'}, writable")


def _lacking(state: FolderState, needed: str) -> str:
    """Given what a folder needs (RFC 4314 rights), return the names of those that the server does not grant."""
    if state.rights is None:
        return ""
    return ", ".join(RIGHT_NAMES[right] for right in needed if right not in state.rights)

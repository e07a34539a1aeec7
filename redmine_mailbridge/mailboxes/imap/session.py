"""One logged-in IMAP connection: sends commands, returns complete responses, raises the bridge's errors.

imap-tools is the transport only; of imaplib's own bookkeeping nothing is believed between two commands.
"""

import imaplib
import socket
from dataclasses import field
from typing import Any

from imap_tools import BaseMailBox

from redmine_mailbridge.errors import LoginRefused, MailboxUnreachable
from redmine_mailbridge.mailboxes.connection_info import described
from redmine_mailbridge.mailboxes.errors import ConnectionLost, one_line, translate_errors
from redmine_mailbridge.mailboxes.imap.client import PlainBox, TlsBox
from redmine_mailbridge.mailboxes.imap.parse import Part, quote
from redmine_mailbridge.mailboxes.refusals import about_server
from redmine_mailbridge.mailboxes.tls import context, private
from redmine_mailbridge.model.mailbox import MailboxConfig, Security
from redmine_mailbridge.sasl.exchange import Exchange
from redmine_mailbridge.sasl.mechanism import Credentials, credentials, report_rejected_token
from redmine_mailbridge.sasl.selection import choose
from redmine_mailbridge.util.backoff import throttled
from redmine_mailbridge.util.dataclass import dataclass

SIGNING_IN = frozenset({"AUTHENTICATE", "LOGIN"})
"""The commands that a server may answer with what it was sent."""
CHANGING = frozenset({"APPEND", "COPY", "CREATE", "EXPUNGE", "MOVE", "STORE", "SUBSCRIBE"})
"""The commands that change something on the server."""


@dataclass(frozen=True, slots=True)
class ImapResponse:
    """What the server answered to one command: OK, NO or BAD, its text, the code in brackets, the untagged data."""

    status: str
    text: str
    data: dict[str, list[Part]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the command was carried out."""
        return self.status == "OK"

    @property
    def code(self) -> str:
        """The response code, such as OVERQUOTA, or an empty text."""
        if not self.text.startswith("["):
            return ""
        return self.text[1:].split("]", 1)[0].split(" ", 1)[0].upper()

    @property
    def later(self) -> bool:
        """Whether it was refused only for now: the server speaks of itself (busy, throttling, a fault of its own)."""
        return not self.ok and about_server(self.text)

    @property
    def throttled(self) -> bool:
        """Whether it was refused because the server wants to be left alone: nothing is wrong with the mail."""
        return not self.ok and throttled(self.text)

    def first(self, name: str) -> str:
        """Given the name of an untagged answer, return its first value as text, or an empty one."""
        values = self.data.get(name) or [b""]
        return one_line(values[0])

    def all_words(self, name: str) -> list[str]:
        """Given the name of an untagged answer, return the words of all its values."""
        values = self.data.get(name, [])
        return [word.decode("ascii", "replace") for part in values if isinstance(part, bytes) for word in part.split()]

    def number(self, name: str) -> int | None:
        """Given the name of an untagged answer, return the number that it begins with, or None."""
        digits = self.first(name).split("]", 1)[0].split(" ", 1)[0]
        return int(digits) if digits.isdecimal() else None


@dataclass(slots=True)
class Selected:
    """The folder that is open: its name as the server spells it, and the answer that opened it, kept up to date.

    `wire` is the name as it goes over the wire.
    """

    name: str
    wire: bytes
    uid_validity: str
    read_only: bool
    answer: ImapResponse
    seen: set[str] = field(default_factory=set)


class ImapSession:
    """Given a configuration, connect and log in. Raise MailboxUnreachable or LoginRefused."""

    def __init__(self, config: MailboxConfig) -> None:
        self.config = config
        self.where = f"mailbox {config.name} ({config.host}:{config.port})"
        self.selected: Selected | None = None
        self.mechanism = ""
        tls = context(config) if config.security is not Security.NONE else None
        who = credentials(config)
        self._secrets = who.secrets
        if config.take_login is not None:
            config.take_login(self.where)
        with translate_errors(f"{self.where}: cannot connect"):
            box: BaseMailBox
            if config.security is Security.TLS:
                box = TlsBox(config.host, config.port, timeout=config.timeout, ssl_context=tls)
            else:
                box = PlainBox(config.host, config.port, timeout=config.timeout)
        self.client: Any = box.client  # imaplib.IMAP4, whose inner methods have no types
        self.greeting = one_line(self.client.welcome)
        try:
            if config.security is Security.STARTTLS:
                with translate_errors(f"{self.where}: STARTTLS"):
                    self.client.starttls(ssl_context=tls)
            if self.client.state == "NONAUTH":
                self._log_in(who)
            self._refresh_capabilities()
        except LoginRefused as refused:
            self.capabilities = frozenset(name.upper() for name in self.client.capabilities)
            refused.met = described(self, moves="none", pushes=False)
            self.drop()
            raise
        except BaseException:
            self.drop()
            raise

    def _log_in(self, who: Credentials) -> None:
        """Given credentials, try the chosen mechanisms in order. Raise LoginRefused with the server's words."""
        capabilities = {name.upper() for name in self.client.capabilities}
        offered = {name.removeprefix("AUTH=") for name in capabilities if name.startswith("AUTH=")}
        by_command = not offered & {"PLAIN", "LOGIN"} and "LOGINDISABLED" not in capabilities
        if by_command:
            offered.add("LOGIN")
        if not offered and self.config.security is Security.NONE:
            raise LoginRefused(f"{self.where}: the server takes no login without TLS (LOGINDISABLED)")
        refusals = []
        for name in choose(self.config, who, offered, private=private(self.config)):
            refusal = self._login_command(who) if name == "LOGIN" and by_command else self._authenticate(name, who)
            if refusal is None:
                self.mechanism = name
                return
            text = f"{name}: {refusal.text}"
            if refusal.later:
                raise ConnectionLost(f"{self.where}: the server does not log anybody in now: {text}")
            refusals.append(text)
        report_rejected_token(self.config, who)
        raise LoginRefused(f"{self.where}: the server refuses the login of {who.user}: {'; '.join(refusals)}")

    def _login_command(self, who: Credentials) -> ImapResponse | None:
        """Given credentials, log in by the command LOGIN, the password as a literal so that it may hold anything."""
        self.client.literal = who.password.encode()
        answer = self.command("LOGIN", quote(who.user.encode()))
        if answer.ok:
            self.client.state = "AUTH"
            return None
        return answer

    def _authenticate(self, name: str, who: Credentials) -> ImapResponse | None:
        """Given a mechanism and credentials, log in. Return None, or the server's refusal."""
        exchange = Exchange(name, who, self.where)
        self.client.literal = exchange.reply
        answer = self.command("AUTHENTICATE", name)
        if answer.ok:
            self.client.state = "AUTH"
            return None
        return ImapResponse(answer.status, " ".join(filter(None, (answer.text, exchange.hint))), answer.data)

    def _refresh_capabilities(self) -> None:
        """Ask for the capabilities after the login: before it, servers hide MOVE and UIDPLUS."""
        answer = self.command("CAPABILITY")
        self.capabilities = frozenset(answer.first("CAPABILITY").upper().split())

    def command(self, name: str, *args: str | bytes) -> ImapResponse:
        """Given a command and its arguments as they go over the wire, return the whole answer.

        Raise MailboxUnreachable when the connection breaks, times out or the server says goodbye.
        """
        client = self.client
        client.untagged_responses.clear()
        client.lines = 0
        client.is_readonly = True  # imaplib would raise in the middle of another command
        with translate_errors(f"{self.where}: {name}", secrets=self._secrets):
            changes = (args[0] if name == "UID" else name) in CHANGING
            client.before_piece = self.config.before_change if changes else None
            try:
                tag = client._command(name, *args)
            finally:
                client.before_piece = None
            self.config.on_command()
            while client.tagged_commands[tag] is None:
                self._check_bye()
                client._get_response()
            status, lines = client.tagged_commands.pop(tag)
        data = dict(client.untagged_responses)
        client.untagged_responses.clear()  # the answer alone holds the mails
        self.apply_untagged(data)
        return ImapResponse(status, one_line(lines, self._secrets if name in SIGNING_IN else ()), data)

    def apply_untagged(self, data: dict[str, list[Part]]) -> None:
        """Given untagged answers, remember news of the open folder: it holds more mails, its next UID is unknown."""
        if self.selected is not None and {"EXPUNGE", "VANISHED"} & data.keys():
            self.selected.seen.clear()
        if self.selected is not None and data.get("EXISTS"):
            before = self.selected.answer
            data_now = {name: values for name, values in before.data.items() if name != "UIDNEXT"}
            data_now["EXISTS"] = data["EXISTS"][-1:]
            self.selected.answer = ImapResponse(before.status, before.text, data_now)

    def _check_bye(self) -> None:
        bye = self.client.untagged_responses.get("BYE")
        if bye:
            raise ConnectionLost(f"{self.where}: the server ends the connection: {one_line(bye, self._secrets)}")

    def uid(self, name: str, *args: str | bytes) -> ImapResponse:
        """Given a UID command (`FETCH`, `MOVE`, …), return the whole answer."""
        return self.command("UID", name, *args)

    def require_ok(self, answer: ImapResponse) -> ImapResponse:
        """Given an answer to a question, return it. Raise MailboxUnreachable if the server did not answer it."""
        if answer.ok:
            return answer
        raise MailboxUnreachable(f"{self.where}: the server does not answer: {answer.text}", answered=True)

    def select(self, name: str, wire: bytes) -> ImapResponse:
        """Given a folder as the server spells it, and its name for the wire, open it, even if it is open: the answer
        holds its present state.
        """
        self.selected = None
        answer = self.command("SELECT", wire)
        if answer.ok:
            self.client.state = "SELECTED"
            read_only = answer.code == "READ-ONLY" or "READ-ONLY" in answer.data
            self.selected = Selected(name, wire, str(answer.number("UIDVALIDITY") or 0), read_only, answer)
        else:
            self.client.state = "AUTH"
        return answer

    def has(self, *names: str) -> bool:
        """Given capabilities, say whether the server has all of them."""
        return self.capabilities.issuperset(names)

    @property
    def socket(self) -> socket.socket:
        """The socket, to wait on."""
        connected: socket.socket = self.client.socket()
        return connected

    def drop(self) -> None:
        """End the connection at once; never raises."""
        try:
            self.client.shutdown()
        except (OSError, imaplib.IMAP4.error):
            return

    def log_out(self) -> None:
        """End the connection politely; never raises."""
        try:
            self.client.sock.settimeout(min(self.config.timeout, 5))
            self.client.logout()
        except (OSError, imaplib.IMAP4.error):
            self.drop()

"""One logged-in POP3 connection (RFC 1939): what lies there, its bytes as they come, and what is to be deleted."""

import contextlib
import hashlib
import poplib
import socket
from collections.abc import Callable, Iterator
from typing import Any

from redmine_mailbridge.errors import LoginRefused, MailboxError
from redmine_mailbridge.mailboxes.connection_info import described
from redmine_mailbridge.mailboxes.errors import ConnectionLost, one_line, translate_errors
from redmine_mailbridge.mailboxes.pop3.client import Pop3Client, Pop3TlsClient, hang_up
from redmine_mailbridge.mailboxes.refusals import about_server
from redmine_mailbridge.mailboxes.tls import context, private
from redmine_mailbridge.model.mailbox import MailboxConfig, Security
from redmine_mailbridge.sasl.exchange import Exchange
from redmine_mailbridge.sasl.mechanism import Credentials, credentials, report_rejected_token
from redmine_mailbridge.sasl.selection import choose
from redmine_mailbridge.util.dataclass import dataclass

PIECE = 1 << 16
HEAD_AT_MOST = 1 << 20


class Pop3Refused(MailboxError):
    """The server responded with -ERR, and the connection stays open; `reason` is its text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn the server's -ERR into Refused; a connection that ends is none."""
    try:
        yield
    except poplib.error_proto as error:
        reason = one_line(error.args[0])
        if "EOF" in reason:
            raise
        raise Pop3Refused(reason) from None


@dataclass(frozen=True, slots=True)
class MaildropEntry:
    """A mail as the server lists it: its number in this session, its UIDL, the size that is named, in bytes."""

    number: int
    uidl: str
    size: int


class Pop3Session:
    """Given a configuration, connect, log in and read what lies there, in the server's order.

    Raise MailboxUnreachable or LoginRefused.
    """

    def __init__(self, config: MailboxConfig) -> None:
        self.config = config
        self.where = f"mailbox {config.name} ({config.host}:{config.port})"
        self.mechanism = ""
        self.deleted = 0
        tls = context(config) if config.security is not Security.NONE else None
        who = credentials(config)
        self._secrets = who.secrets
        if config.take_login is not None:
            config.take_login(self.where)
        with translate_errors(f"{self.where}: cannot connect"):
            client: poplib.POP3
            if config.security is Security.TLS:
                client = Pop3TlsClient(config.host, config.port, config.timeout, tls)
            else:
                client = Pop3Client(config.host, config.port, config.timeout)
        untyped: Any = client  # its inner methods have no types
        untyped._putline = self._counted(untyped._putline)
        self.client = untyped
        self.greeting = one_line(client.welcome)
        try:
            with translate_errors(f"{self.where}: cannot log in", secrets=self._secrets):
                if config.security is Security.STARTTLS:
                    client.stls(context=tls)
                self.capabilities = self._capabilities()
                self._log_in(who)
                self.capabilities = self._capabilities()
            with translate_errors(f"{self.where}: cannot list"):
                sizes = {number: _whole_number(size) for number, size in self._pairs(client.list()[1])}
                uidls = self._uidls()
                numbers = sorted({*sizes, *uidls}, key=int)
                self.entries = [
                    MaildropEntry(int(number), uidls.get(number, number), sizes.get(number, 0)) for number in numbers
                ]
        except LoginRefused as refused:
            refused.met = described(self, moves="none", pushes=False)
            self.drop()
            raise
        except BaseException:
            self.drop()
            raise

    def _counted(self, send: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """Given what sends a line, return the same with the line counted."""

        def sending(line: bytes) -> None:
            self.config.on_command()
            send(line)

        return sending

    def _capabilities(self) -> dict[str, list[str]]:
        """Return what the server can (RFC 2449), by upper-case name; nothing when it does not say."""
        try:
            return {name.upper(): values for name, values in self.client.capa().items()}
        except poplib.error_proto:
            return {}

    def _pairs(self, lines: list[bytes]) -> Iterator[tuple[str, str]]:
        for line in lines:
            number, _, value = line.decode("ascii", "replace").strip().partition(" ")
            if number.isdecimal() and value:
                yield number, value.strip()

    def _uidls(self) -> dict[str, str]:
        """Return the UIDLs by number. A mail that has none (RFC 1939 leaves it to the server) goes by its number."""
        try:
            return dict(self._pairs(self.client.uidl()[1]))
        except poplib.error_proto as error:
            reason = one_line(error.args[0])
            if "EOF" in reason or about_server(reason) or "UIDL" in self.capabilities:
                raise
            return {}

    def _log_in(self, who: Credentials) -> None:
        """Given credentials, try the chosen mechanisms in order. Raise LoginRefused with the server's words."""
        offered = {name.upper() for name in self.capabilities.get("SASL", [])}
        by_command = not offered & {"PLAIN", "LOGIN"}
        if by_command:
            offered.add("LOGIN")
        if b"<" in self.client.welcome:
            offered.add("APOP")
        refusals = []
        for name in choose(self.config, who, offered, private=private(self.config)):
            try:
                self._log_in_by(name, who, by_command=by_command)
            except poplib.error_proto as error:
                reason = one_line(error.args[0], self._secrets)
                if "EOF" in reason or about_server(reason):
                    delay = "".join(self.capabilities.get("LOGIN-DELAY", [])[:1])
                    often = f" (one login every {delay} seconds)" if delay.isdecimal() else ""
                    raise ConnectionLost(
                        f"{self.where}: the server does not log anybody in now: {reason}{often}"
                    ) from None
                refusals.append(f"{name}: {reason.removeprefix('-ERR').strip()}")
            else:
                self.mechanism = name
                return
        report_rejected_token(self.config, who)
        raise LoginRefused(f"{self.where}: the server refuses the login of {who.user}: {'; '.join(refusals)}")

    def _log_in_by(self, name: str, who: Credentials, *, by_command: bool) -> None:
        """Given a mechanism, log in by it. Raise `poplib.error_proto` with the server's words."""
        if name == "APOP":
            self.client.apop(who.user, who.password)
        elif name == "LOGIN" and by_command:
            if {"\r", "\n"} & set(who.user + who.password):
                raise LoginRefused(f"{self.where}: USER and PASS cannot carry a line break in a name or password")
            self.client.user(who.user)
            self.client.pass_(who.password)
        else:
            self._authenticate(name, who)

    def _authenticate(self, name: str, who: Credentials) -> None:
        """Given a SASL mechanism, log in by AUTH (RFC 5034), a challenge a line, until the server says yes or no."""
        exchange = Exchange(name, who, self.where)
        answer = self.client._shortcmd(f"AUTH {name}")
        while not answer.upper().startswith(b"+OK"):
            self.client._putcmd(exchange.line(answer[1:]))
            try:
                answer = self.client._getresp()
            except poplib.error_proto as error:
                reason = one_line(error.args[0], self._secrets)
                raise poplib.error_proto(f"{reason} {exchange.hint}".strip()) from None

    def lines(self, command: str) -> Iterator[bytes]:
        """Given a command with an answer of many lines, yield its bytes as they come, without the dots that POP3 adds.

        Lines may be of any length. Raise Refused when the server says no; MailboxUnreachable when the
        connection breaks before the end.
        """
        doing = f"{self.where}: {command.partition(' ')[0]}"
        with translate_errors(doing):
            self.client._putcmd(command)
            with refusals():
                self.client._getresp()
        begins = True
        while True:
            with translate_errors(doing):
                piece = self.client.file.readline(PIECE)
            if not piece:
                raise ConnectionLost(f"{doing}: the server ends the connection")
            if begins and piece.startswith(b"."):
                if piece in {b".\r\n", b".\n"}:
                    return
                piece = piece[1:]
            begins = piece.endswith(b"\n")
            yield piece

    def head(self, number: int) -> bytes:
        """Given a mail's number, return its header: by TOP, or, where there is none, by reading all of it.

        Raise Refused when the server says no, MailboxUnreachable.
        """
        if "TOP" in self.capabilities or not self.capabilities:
            try:
                return b"".join(self.lines(f"TOP {number} 0"))
            except Pop3Refused:
                if "TOP" in self.capabilities:
                    raise
        head, inside = b"", True
        for line in self.lines(f"RETR {number}"):
            inside = inside and bool(line.strip()) and len(head) < HEAD_AT_MOST
            head += line if inside else b""
        return head

    def digest(self, number: int) -> str:
        """Given a mail's number, read all of it. Return the SHA-256 of its bytes in hex. Raise as `head` does."""
        sha256 = hashlib.sha256()
        for line in self.lines(f"RETR {number}"):
            sha256.update(line)
        return sha256.hexdigest()

    def noop(self) -> None:
        """Ask for nothing, so that a connection that has gone is noticed. Raise MailboxUnreachable."""
        with translate_errors(f"{self.where}: NOOP"):
            self.client.noop()

    def delete(self, number: int) -> None:
        """Given a mail's number, mark it for deletion; QUIT does it. Raise Refused when the server says no."""
        with translate_errors(f"{self.where}: DELE"), refusals():
            self.client.dele(number)
        self.deleted += 1

    @property
    def socket(self) -> socket.socket:
        """The socket, for what TLS says of itself."""
        connected: socket.socket = self.client.sock
        return connected

    def quit(self) -> None:
        """End the connection; the server carries out the deletions. Raise MailboxUnreachable if it did not say so."""
        try:
            with translate_errors(f"{self.where}: QUIT"):
                self.client.quit()
        finally:
            self.drop()

    def drop(self) -> None:
        """End the connection at once, with no deletion carried out; never raises."""
        hang_up(self.client)


def _whole_number(text: str) -> int:
    """Given what LIST says of a mail's size (some servers add words), return it in bytes; 0 if it is not a number."""
    digits = text.split(" ", 1)[0]
    return int(digits) if digits.isdecimal() else 0

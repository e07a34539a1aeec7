"""Sends mail through an SMTP server, one connection per batch, or prints it for a dry run."""

import re
import smtplib
import ssl
import sys
from collections.abc import Sequence
from email import message_from_bytes
from types import TracebackType
from typing import Protocol, Self, TextIO, runtime_checkable

from redmine_mailbridge.errors import MailboxError, SendingDeferred, SendingError, SendingRefused, StoreError
from redmine_mailbridge.outgoing.smtp_auth import log_in_by_password, log_in_by_token
from redmine_mailbridge.outgoing.smtp_client import SmtpClient, SmtpTlsClient
from redmine_mailbridge.outgoing.smtp_config import SmtpConfig
from redmine_mailbridge.util import certificates
from redmine_mailbridge.util.printable import printable_line, system_error

OUR_QUOTA = (" 5.4.5 ", " 5.7.60 ", " 5.2.252 ")
"""Daily sending limits of Gmail and Microsoft 365: permanent by their code, yet temporary."""
_SETUP_CODES = frozenset({503, 530, 534, 535, 538})
_SETUP = re.compile(
    r"relay(?:ing)?(?: access)? (?:denied|prohibited|not (?:allowed|permitted))|"
    r"(?:unable|not (?:permitted|allowed)) to relay|(?:does not|do not|will not|cannot) relay|"
    r"authentication (?:is )?required|must (?:issue a starttls|authenticate)|not authenticated|sendasdenied|"
    r"not (?:authorized|authorised|allowed|permitted) to send|sender (?:address )?(?:rejected|not (?:owned|allowed))",
    re.IGNORECASE,
)
"""Texts of a refusal because of login, relaying or the sender, whatever the mail."""


class Transport(Protocol):
    """Sends mails. A context: the connection lives within it."""

    def __enter__(self) -> Self:
        """Connect. Raise SendingDeferred when the server is away or refuses the login."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the connection."""

    def send(self, sender: str, recipient: str, content: bytes) -> str:
        """Given an envelope and a mail, hand it over. Return the server's words.

        Raise SendingRefused for a permanent error (5xx for this mail), SendingDeferred for a temporary one (4xx, a
        broken connection, a 5xx about the sending account or its configuration).
        """


@runtime_checkable
class MessageTransport(Transport, Protocol):
    """Sends a message once to all its recipients, those whom its header names, without an envelope."""

    def send_message(self, recipients: Sequence[str], content: bytes, *, again: bool) -> str:
        """Given a mail and who of its recipients is to have it now, hand it over; in its header stand no others then.
        `again`: it may have been sent to them before, which is found out first. Return the server's words.

        Raise as `send`; what is raised applies to all of these recipients.
        """


class SmtpTransport:
    """A real server. TLS is checked; STARTTLS is demanded, never merely tried. Where the server ended the connection
    at one mail, the next one has a new one.
    """

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._server: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        self._connect()
        return self

    def _connect(self) -> smtplib.SMTP:
        config = self._config
        where = f"{config.host}:{config.port}"
        try:
            context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
            if config.security == "tls":
                server: SmtpClient | SmtpTlsClient = SmtpTlsClient(
                    config.host, config.port, timeout=config.timeout, context=context
                )
            else:
                server = SmtpClient(config.host, config.port, timeout=config.timeout)
            server.before_end = config.before_end
            self._server = server
            if config.security == "starttls":
                server.starttls(context=context)
            certificates.note(config.host, config.port, server.sock)
            if config.username is not None and config.token is not None:
                log_in_by_token(server, config)
            elif config.username is not None:
                log_in_by_password(server, config)
        except MailboxError as error:
            self._quit()
            raise SendingDeferred(f"{where}: {error}") from error
        except smtplib.SMTPResponseException as error:
            self._quit()
            raise SendingDeferred(f"{where}: {_words(error.smtp_code, error.smtp_error)}") from error
        except (OSError, UnicodeError, smtplib.SMTPException) as error:
            self._quit()
            raise SendingDeferred(f"{where}: {system_error(error) or error}") from error
        return server

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._quit()

    def offers(self, extension: str) -> bool:
        """Given the name of an extension of SMTP (lower case), return whether the server names it. Raise
        SendingDeferred when the connection breaks.
        """
        try:
            server = self._server or self._connect()
            server.ehlo_or_helo_if_needed()
            return server.has_extn(extension)
        except (OSError, smtplib.SMTPException) as error:
            raise SendingDeferred(f"the connection broke: {error}") from error

    def send(self, sender: str, recipient: str, content: bytes) -> str:
        """As Transport says; delivery reports are asked for where the server has DSN (RFC 3461), with the headers of
        what they report on. Addresses and headers beyond ASCII go only to a server with SMTPUTF8 (RFC 6531).
        """
        server = self._server or self._connect()
        try:
            server.ehlo_or_helo_if_needed()
            beyond = not (sender.isascii() and recipient.isascii() and content.partition(b"\r\n\r\n")[0].isascii())
            if beyond and not server.has_extn("smtputf8"):
                raise SendingRefused("this server takes no addresses beyond ASCII (it has no SMTPUTF8)")
            server.command_encoding = "utf-8" if beyond else "ascii"
            dsn = server.has_extn("dsn")
            options = ["RET=HDRS"] * dsn + ["SMTPUTF8", "BODY=8BITMIME"] * beyond
            options += [f"SIZE={len(content)}"] * server.has_extn("size")
            self._asked(server, "MAIL FROM", sender, options)
            self._asked(server, "RCPT TO", recipient, ["NOTIFY=FAILURE,DELAY"] * dsn)
            code, words = server.data(content)
            if code != 250:
                raise _sorted(code, words, "the mail")
        except smtplib.SMTPResponseException as error:
            self._rest(server)
            raise _sorted(error.smtp_code, error.smtp_error, "the mail") from error
        except (OSError, smtplib.SMTPException) as error:
            self._quit()
            raise SendingDeferred(f"the connection broke: {error}", whole=False, ended=True) from error
        except SendingError:
            self._rest(server)
            raise
        except StoreError:  # the mail has no end, so the server takes none of what would follow for a command
            self._server = None
            server.close()
            raise
        return "accepted by the server"

    def _asked(self, server: smtplib.SMTP, command: str, address: str, options: Sequence[str]) -> None:
        """Say one line of the envelope. Not by smtplib's own methods, which read the address by `email` once more."""
        if any(sign in "<>" or not sign.isprintable() for sign in address):
            raise SendingRefused("this is not an address that mail can be sent to")
        verb, _, preposition = command.partition(" ")
        code, words = server.docmd(verb, " ".join([f"{preposition}:<{address}>", *options]))
        if not 200 <= code < 300:
            raise _sorted(code, words, "the sender" if verb == "MAIL" else "the recipient")

    def _rest(self, server: smtplib.SMTP) -> None:
        """After a refusal, make ready for the next mail; a connection that the server ends is over for us too."""
        try:
            if server.sock is not None and server.rset()[0] == 250:
                return
        except (OSError, smtplib.SMTPException):
            pass
        self._quit()

    def _quit(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        try:
            server.quit()
        except (OSError, smtplib.SMTPException):
            server.close()


class ConsoleTransport:
    """Prints mails instead of sending them."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def send(self, sender: str, recipient: str, content: bytes) -> str:
        """Print it."""
        mail = message_from_bytes(content)
        body = next((part for part in mail.walk() if part.get_content_type() == "text/plain"), mail)
        text = body.get_payload(decode=True)
        shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else ""
        self._stream.write(f"--- mail from {sender} to {recipient}\nSubject: {mail['Subject']}\n\n{shown}\n---\n")
        return "printed"


def _sorted(code: int, words: bytes | str, about: str) -> SendingRefused | SendingDeferred:
    """Given the server's answer and what it was about, return the error that it means.

    A quota of the sending account applies to every mail. A 4xx applies to the current mail. A 5xx for the sender, or
    one whose text is about login, relaying or the sender, is a configuration error: no mail is lost for that.
    """
    answer = _words(code, words)
    if any(status in f"{answer} " for status in OUR_QUOTA):
        return SendingDeferred(answer)
    if not 500 <= code < 600:
        return SendingDeferred(answer, whole=False, ended=code == 421)
    configuration = code in _SETUP_CODES or _SETUP.search(answer) is not None or (about == "the sender" and code != 552)
    return SendingDeferred(answer, whole=False, configuration=True) if configuration else SendingRefused(answer)


def _words(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {printable_line(text)}"[:500]

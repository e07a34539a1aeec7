"""Hands mails to an SMTP server, one connection a batch; or prints them, for trying out."""

import smtplib
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self, TextIO

from redmine_mailbridge.errors import MailboxError, SendingDeferred, SendingRefused
from redmine_mailbridge.oauth import sasl
from redmine_mailbridge.outgoing.password_login import log_in_by_password
from redmine_mailbridge.outgoing.token_login import log_in_by_token

OUR_QUOTA = (" 5.4.5 ", " 5.7.60 ", " 5.2.252 ")
"""Permanent by their code, and yet over with the day: the sending limits of Gmail and Microsoft 365."""


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """Where and how to send. `timeout` in seconds; without a username no login is tried.

    `login` is the way of a login by password, "auto" the strongest that the server offers; `prevent_cleartext_login`
    and `prevent_ntlm` are the mailbox's.
    `token` gives an OAuth access token, which is then logged in with by one of `mechanisms` in place of the password;
    `token_refused` is told one that the server did not take. It raises MailboxError when there is none now.
    """

    host: str
    port: int
    security: Literal["tls", "starttls", "none"]
    username: str | None = None
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    timeout: float = 60.0
    token: Callable[[], str] | None = field(default=None, repr=False)
    token_refused: Callable[[str], None] | None = field(default=None, repr=False)
    mechanisms: tuple[str, ...] = sasl.BY_TOKEN
    login: str = "auto"
    prevent_cleartext_login: bool = False
    prevent_ntlm: bool = False


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

        Raise SendingRefused for good (5xx), SendingDeferred to try later (4xx, a broken connection).
        """


class SmtpTransport:
    """A real server. TLS is checked; STARTTLS is demanded, never merely tried."""

    def __init__(self, config: SmtpConfig) -> None:
        self._config = config
        self._server: smtplib.SMTP | None = None

    def __enter__(self) -> Self:
        config = self._config
        where = f"{config.host}:{config.port}"
        try:
            context = ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
            if config.security == "tls":
                server: smtplib.SMTP = smtplib.SMTP_SSL(
                    config.host, config.port, timeout=config.timeout, context=context
                )
            else:
                server = smtplib.SMTP(config.host, config.port, timeout=config.timeout)
            self._server = server
            if config.security == "starttls":
                server.starttls(context=context)
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
        except (OSError, smtplib.SMTPException) as error:
            self._quit()
            raise SendingDeferred(f"{where}: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._quit()

    def send(self, sender: str, recipient: str, content: bytes) -> str:
        """As Transport says; delivery reports are asked for where the server has DSN (RFC 3461), with the headers of
        what they report on.
        """
        server = self._server
        if server is None:
            raise SendingDeferred("not connected")
        try:
            server.ehlo_or_helo_if_needed()
            dsn = server.has_extn("dsn")
            server.sendmail(
                sender,
                [recipient],
                content,
                mail_options=["RET=HDRS"] if dsn else [],
                rcpt_options=["NOTIFY=FAILURE,DELAY"] if dsn else [],
            )
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise _sorted(code, words) from error
        except smtplib.SMTPSenderRefused as error:  # our login, our quota, our name: no fault of the mail's
            raise SendingDeferred(_words(error.smtp_code, error.smtp_error)) from error
        except smtplib.SMTPResponseException as error:
            raise _sorted(error.smtp_code, error.smtp_error) from error
        except (OSError, smtplib.SMTPException) as error:
            raise SendingDeferred(f"the connection broke: {error}") from error
        return "accepted by the server"

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


def _sorted(code: int, words: bytes | str) -> SendingRefused | SendingDeferred:
    said = _words(code, words)
    ours = any(status in said for status in OUR_QUOTA)
    if 500 <= code < 600 and not ours:
        return SendingRefused(said)
    return SendingDeferred(said, whole=ours or code == 421)


def _words(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {' '.join(text.split())}"[:500]

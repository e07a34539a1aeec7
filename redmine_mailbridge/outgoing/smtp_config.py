"""Where and how mail is handed over."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from redmine_mailbridge.sasl import bearer_messages


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
    mechanisms: tuple[str, ...] = bearer_messages.BY_TOKEN
    login: str = "auto"
    prevent_cleartext_login: bool = False
    prevent_ntlm: bool = False

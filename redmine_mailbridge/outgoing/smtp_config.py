"""Where and how mail is handed over."""

from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Literal

from redmine_mailbridge.sasl import bearer_messages
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """Where and how to send. `timeout` in seconds; without a username no login is tried.

    `login` is the way of a login by password, "auto" the strongest that the server offers; `prevent_cleartext_login`
    and `prevent_ntlm` are the mailbox's.
    `token` returns an OAuth access token, used with one of `mechanisms` instead of the password, and raises
    MailboxError if none is available; `token_refused` is called with a token that the server rejected.
    `before_end` is called directly before the end of a mail is sent; what it raises is raised, and the server does not
    get the end. None: nothing is called, and the mail is sent in one piece.
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
    before_end: Callable[[], object] | None = field(default=None, repr=False)

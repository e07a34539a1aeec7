"""The input of every SASL mechanism, and its interface."""

from dataclasses import field
from typing import Protocol

from redmine_mailbridge.model.mailbox import MailboxConfig
from redmine_mailbridge.sasl.username import parse_username
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs in (`user`), which mailbox is opened (`mailbox`, the same unless shared), and the proof."""

    user: str
    mailbox: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @property
    def authorize_as(self) -> str:
        """The SASL authorization identity: the shared mailbox, or an empty text."""
        return self.mailbox if self.mailbox != self.user else ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must never be written anywhere, in no form."""
        return tuple(filter(None, (self.password, self.token)))


class Mechanism(Protocol):
    """One login by one mechanism. Created for each try."""

    def answer(self, challenge: bytes, /) -> bytes | None:
        """Given the server's challenge (empty at first, when the client begins), return the response, decoded.

        None aborts the login: the server could not prove that it knows the client, or asks for what is never sent.
        """


def report_rejected_token(config: MailboxConfig, who: Credentials) -> None:
    """Given credentials that the server rejected, notify the token's source, so that it is renewed."""
    if who.token and config.token_refused is not None:
        config.token_refused(who.token)


def credentials(config: MailboxConfig) -> Credentials:
    """Given a mailbox's configuration, return its credentials; the password or token is fetched now."""
    name = parse_username(config.username)
    user, mailbox = name.sign_in, name.mailbox
    if config.authorize_as:
        user, mailbox = config.username, config.authorize_as
    if config.token is not None:
        return Credentials(user, mailbox, token=config.token())
    secret = config.password() if callable(config.password) else config.password
    return Credentials(user, mailbox, password=secret or "")

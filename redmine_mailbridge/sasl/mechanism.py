"""What every login mechanism is given, and what it can do."""

from dataclasses import dataclass, field
from typing import Protocol

from redmine_mailbridge.model.mailbox import MailboxConfig
from redmine_mailbridge.sasl import bearer_messages
from redmine_mailbridge.sasl.username import parse_username


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs in (`user`), whose mailbox is opened (`mailbox`, the same unless shared), and the proof."""

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
        """What must never be written anywhere."""
        wholes: tuple[bytes, ...] = ()
        if self.token:  # a server may repeat the whole message, in base64
            wholes = (
                bearer_messages.oauthbearer(self.mailbox, self.token),
                bearer_messages.xoauth2(self.mailbox, self.token),
            )
        return tuple(filter(None, (self.password, self.token, *(whole.decode() for whole in wholes))))


class Mechanism(Protocol):
    """One login by one mechanism. Made anew for each try."""

    def answer(self, challenge: bytes, /) -> bytes | None:
        """Given the server's challenge (empty at first, when the client begins), return our answer, decoded.

        None gives the login up: the server could not prove that it knows us, or asks for what we do not tell.
        """


def told_refused(config: MailboxConfig, who: Credentials) -> None:
    """Given credentials that the server refused, say so to whoever gave the token, that it may be renewed."""
    if who.token and config.token_refused is not None:
        config.token_refused(who.token)


def credentials(config: MailboxConfig) -> Credentials:
    """Given a mailbox's configuration, return its credentials; the password or token is asked for now."""
    name = parse_username(config.username)
    user, mailbox = name.sign_in, name.mailbox
    if config.authorize_as:
        user, mailbox = config.username, config.authorize_as
    if config.token is not None:
        return Credentials(user, mailbox, token=config.token())
    secret = config.password() if callable(config.password) else config.password
    return Credentials(user, mailbox, password=secret or "")

"""A connection, described alike whatever is spoken over it."""

import socket
from collections.abc import Collection
from typing import Literal, Protocol

from redmine_mailbridge.mailboxes.tls import peer, valid_until, version
from redmine_mailbridge.model.mailbox import Connected


class Session(Protocol):
    """What every session knows of itself."""

    greeting: str
    mechanism: str

    @property
    def capabilities(self) -> Collection[str]:
        """What the server can, by name."""

    @property
    def socket(self) -> socket.socket:
        """The socket beneath."""


def described(session: Session, *, moves: Literal["move", "copy", "mark", "none"], pushes: bool) -> Connected:
    """Given a session, and how it files and waits, return what the connection is."""
    return Connected(
        greeting=session.greeting,
        mechanism=session.mechanism,
        capabilities=tuple(sorted(session.capabilities)),
        tls=version(session.socket),
        certificate_until=valid_until(session.socket),
        moves=moves,
        pushes=pushes,
        peer=peer(session.socket),
    )

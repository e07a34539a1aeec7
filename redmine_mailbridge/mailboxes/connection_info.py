"""The description of a connection, the same for all protocols."""

import socket
from collections.abc import Collection
from typing import Literal, Protocol

from redmine_mailbridge.mailboxes.tls import peer, version
from redmine_mailbridge.model.mailbox import ConnectionInfo
from redmine_mailbridge.util.certificates import valid_until


class SessionInfo(Protocol):
    """The properties common to all sessions."""

    greeting: str
    mechanism: str

    @property
    def capabilities(self) -> Collection[str]:
        """The server's capabilities, by name."""

    @property
    def socket(self) -> socket.socket:
        """The socket beneath."""


def described(session: SessionInfo, *, moves: Literal["move", "copy", "mark", "none"], pushes: bool) -> ConnectionInfo:
    """Given a session, and how it files and waits, return its description."""
    return ConnectionInfo(
        greeting=session.greeting,
        mechanism=session.mechanism,
        capabilities=tuple(sorted(session.capabilities)),
        tls=version(session.socket),
        certificate_until=valid_until(session.socket),
        moves=moves,
        pushes=pushes,
        peer=peer(session.socket),
    )

"""What discovery finds: plain values for the command line, `init` and the admin page."""

import re
from collections.abc import Mapping
from typing import Literal

from redmine_mailbridge.util.dataclass import dataclass

Protocol = Literal["imap", "pop3", "smtp"]
Security = Literal["tls", "starttls"]

_HOST = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,62}){0,20}\Z")


class NothingFound(Exception):
    """A place was looked at and holds nothing that can be used; the text says why, in a few words."""


class NobodyAnswers(NothingFound):
    """A place could not be looked at: DNS or the network is away, so that nothing is known of what it holds."""


@dataclass(frozen=True, slots=True)
class FoundServer:
    """One server: what is spoken, where, how it is protected, the name to log in with, and if only OAuth does."""

    protocol: Protocol
    host: str
    port: int
    security: Security
    username: str
    oauth_only: bool = False

    def __str__(self) -> str:
        return f"{self.protocol} {self.host}:{self.port} {self.security}"


@dataclass(frozen=True, slots=True)
class Offer:
    """The servers of an address, where that was read, and the preset that they belong to, if to one."""

    servers: tuple[FoundServer, ...]
    source: str
    preset: str | None = None
    advice: str = ""

    def server(self, protocol: str) -> FoundServer | None:
        """Given a protocol, return the first server that speaks it."""
        return next((candidate for candidate in self.servers if candidate.protocol == protocol), None)

    @property
    def incoming(self) -> FoundServer | None:
        """The server to read from: IMAP before POP3."""
        return self.server("imap") or self.server("pop3")

    def settings(self, address: str) -> Mapping[tuple[str, ...], str | int]:
        """Given the address, return the keys of a mailbox's table that this offer fills."""
        server, out = self.incoming, self.server("smtp")
        values: dict[tuple[str, ...], str | int] = {}
        if server is not None and server.protocol == "pop3":
            values["protocol",] = "pop3"
        if self.preset is not None:
            return {("preset",): self.preset} | values
        if server is not None:
            values |= {("host",): server.host, ("port",): server.port, ("security",): server.security}
            values |= {("username",): server.username} if server.username != address else {}
        if out is not None:
            values |= {("outgoing", key): getattr(out, key) for key in ("host", "port", "security")}
            own = server is None or out.username != server.username
            values |= {("outgoing", "username"): out.username} if own and out.username else {}
        return values


@dataclass(frozen=True, slots=True)
class DiscoveryStep:
    """One way that was tried: its name, what it found in one line, and the offer if it found servers.

    `away` says that no server could be asked.
    """

    name: str
    words: str
    offer: Offer | None = None
    away: bool = False


def server(protocol: Protocol, host: str, port: int | str, security: Security, username: str) -> FoundServer:
    """Given what somebody published, return the server. Raise NothingFound when it cannot be one."""
    host = host.strip().rstrip(".").lower()
    number = int(port) if str(port).strip().isdecimal() and len(str(port).strip()) < 6 else 0
    if not _HOST.match(host) or not 1 <= number <= 65535:
        raise NothingFound("names no usable server")
    name = "".join(sign for sign in username.strip() if sign.isprintable())[:255]
    return FoundServer(protocol, host, number, security, name)


def usable_host(host: str) -> bool:
    """Whether a text can be the name of a host."""
    return bool(_HOST.match(host))

"""The plain values of signing in: a provider, a connection to it, tokens, and the state of a sign-in."""

from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from redmine_mailbridge.util.dataclass import dataclass


class Grant(StrEnum):
    """How tokens are had: a person signs in once, or the bridge proves itself each time."""

    SIGN_IN = "sign_in"
    CLIENT_CREDENTIALS = "client_credentials"
    SERVICE_ACCOUNT = "service_account"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a provider is asked what; an empty text is a thing that it has not. `client_auth` proves who asks."""

    token: str
    authorization: str = ""
    device: str = ""
    revocation: str = ""
    client_auth: Literal["post", "basic"] = "post"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who is asked for tokens, and as which application. No secret is in its repr.

    Its endpoints are given, or found under `issuer`. `asked` is said beside the standard parameters when a person
    signs in. `loopback` is what this provider calls this machine in a redirection. `timeout` in seconds.
    """

    name: str
    title: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    grant: Grant = Grant.SIGN_IN
    scopes: tuple[str, ...] = ()
    issuer: str = ""
    endpoints: Endpoints | None = None
    asked: tuple[tuple[str, str], ...] = ()
    loopback: Literal["127.0.0.1", "localhost"] = "127.0.0.1"
    no_device: str = ""
    service_account_file: Path | None = None
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None
    ca_file: Path | None = None
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class SignInConnection:
    """One sign-in that is kept: `name` is the mailbox's, NAME/outgoing, or "outgoing"; `account` signs in."""

    name: str
    account: str
    provider: Provider

    @property
    def remedy(self) -> str:
        """What a person does when the sign-in is missing."""
        return f"run redmine-mailbridge oauth login {self.name}"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a provider gave. Times in epoch seconds; `renew_at` comes some time before `expires_at`.

    `signed_in_as` is who signed in, where the provider said so.
    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: float
    renew_at: float
    signed_in_as: str = ""


State = Literal["signed in", "not signed in", "deactivated", "automatic"]


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """The state of one connection. `reason` says what is wrong, else it is empty.

    `works` is False when mail cannot be read or sent until a person has done something. Times in epoch seconds.
    """

    connection: str
    provider: str
    account: str
    grant: Grant
    state: State
    reason: str = ""
    signed_in_as: str = ""
    signed_in_at: float | None = None
    renewed_at: float | None = None
    expires_at: float | None = None

    @property
    def works(self) -> bool:
        """Whether tokens can be had without a person."""
        return self.state in {"signed in", "automatic"}


@dataclass(frozen=True, slots=True)
class CodeFlow:
    """A sign-in by browser that has begun: the address to open, and what the provider brings back with the answer."""

    url: str
    state: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceFlow:
    """A sign-in by code that has begun: what a person opens and types, and how often to ask, in seconds."""

    id: str = field(repr=False)
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    interval: float
    ends_at: float


@dataclass(frozen=True, slots=True)
class Polled:
    """What asking for a device's sign-in came to: its state once done, else how many seconds to wait."""

    done: ConnectionStatus | None
    wait: float = 0.0

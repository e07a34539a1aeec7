"""The terms for mailboxes.

A **mailbox** is an account that is read. It has **folders**. A folder has a **validity** (IMAP's UIDVALIDITY;
a constant elsewhere): when it changes, every UID in the folder has a new meaning. A **UID** identifies one message in
one folder under one validity. `Location` is the three together with the mailbox's name, and the only identifier of a
message on a server. Nothing here ever sets \\Seen, expunges a folder, or affects any message other than
the given one.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from redmine_mailbridge.util.dataclass import dataclass

JUNK = "Junk"
"""The folder that is made for spam where an account has none."""


class MailProtocol(StrEnum):
    """The protocol of the server."""

    IMAP = "imap"
    POP3 = "pop3"
    GRAPH = "graph"
    DELIVER = "deliver"


class Security(StrEnum):
    """How the connection is protected. STARTTLS is required, never opportunistic."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class LoginChoice(StrEnum):
    """The SASL mechanism of the settings; AUTO uses the strongest that server and settings allow."""

    AUTO = "auto"
    SCRAM_SHA_256 = "scram-sha-256"
    SCRAM_SHA_1 = "scram-sha-1"
    CRAM_MD5 = "cram-md5"
    OAUTHBEARER = "oauthbearer"
    XOAUTH2 = "xoauth2"
    PLAIN = "plain"
    LOGIN = "login"
    APOP = "apop"
    NTLM = "ntlm"


Secret = str | Callable[[], str]
"""A password, or a function that returns it: called once per login, so that a changed file takes effect."""


def _nothing() -> None:
    """No limit on logins; nothing to prepare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxConfig:
    """How to reach one account: built by wiring/application.py from the settings. Its repr contains no secret.

    `username` is split by `username.parse_username` unless `authorize_as` is set. `token` returns an OAuth
    access token; if it is set, AUTO uses only OAUTHBEARER and XOAUTH2; `token_refused` is called with the token that
    the server rejected. `timeout` is in seconds, for
    the connection and for each read. `take_login`, if set, is called before each login with its target,
    and raises TooManyLogins if there were too many; `on_command` for each command that is sent; `before_change`, if
    set, directly before each that changes something on the server: what it raises is raised, and nothing is sent.
    `ca_file` is a PEM file trusted in place of the system's authorities. With DELIVER, `spool_dir` is the spool,
    `username` the address whose mail is read there, and `prepare` creates what is missing of it; it raises OSError.
    """

    name: str
    host: str
    port: int
    username: str
    protocol: MailProtocol = MailProtocol.IMAP
    security: Security = Security.TLS
    password: Secret | None = field(default=None, repr=False)
    token: Callable[[], str] | None = field(default=None, repr=False)
    token_refused: Callable[[str], None] | None = field(default=None, repr=False)
    authorize_as: str | None = None
    ca_file: Path | None = None
    timeout: float = 60.0
    take_login: Callable[[str], None] | None = None
    on_command: Callable[[], None] = _nothing
    before_change: Callable[[], None] | None = field(default=None, repr=False)
    login: LoginChoice = LoginChoice.AUTO
    allow_cleartext: bool = False
    prevent_cleartext_login: bool = False
    prevent_ntlm: bool = False
    spool_dir: Path | None = None
    prepare: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class Location:
    """The location of one message: mailbox name of the settings, folder (decoded), validity and UID as text."""

    mailbox: str
    folder: str
    uid_validity: str
    uid: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A message on the server: its location, its size in bytes (RFC822.SIZE), when the server received it."""

    location: Location
    size: int
    received_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class RawMail:
    """A message's bytes as returned by the server: in `content`, or, if large, in the file `path`.

    Exactly one of the two is set. `truncated` means that only the beginning was fetched because the message is
    larger than the limit, or no more arrived; `listed.size` is the size stated by the server.
    """

    listed: Listed
    content: bytes | None = None
    path: Path | None = None
    truncated: bool = False


class Filing(StrEnum):
    """The result of filing one message."""

    MOVED = "moved"
    GONE = "gone"
    KEPT = "kept"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class FolderState:
    """The status of a folder: validity, number of messages, the next UID, whether keywords or nothing can be set.

    `rights` are the letters of RFC 4314 (`lrswite`) if the server reports them, else None.
    """

    name: str
    uid_validity: str
    messages: int
    uid_next: int | None = None
    keywords: bool = False
    read_only: bool = False
    rights: str | None = None


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """The properties of a connection: for `check`, and for admins.

    `tls` is its version (`TLSv1.3`) or an empty text; `certificate_until` when the server's certificate expires.
    `moves` is how a message is filed: `move` is one step, `copy` is several and safe, `mark` leaves the message in
    place, flagged as deleted, `none` means that messages cannot be filed. `pushes`: does the server send notifications?
    `peer` is the server's address and port.
    """

    greeting: str
    mechanism: str
    capabilities: tuple[str, ...]
    tls: str
    certificate_until: dt.datetime | None
    moves: Literal["move", "copy", "mark", "none"]
    pushes: bool
    peer: str = ""

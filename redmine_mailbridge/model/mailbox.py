"""The vocabulary of mailboxes.

A **mailbox** is an account that is read. It holds **folders**. A folder has a **validity** (IMAP's UIDVALIDITY;
a constant elsewhere): when it changes, every UID in the folder means something else. A **UID** names one mail in
one folder under one validity. `Location` is the three together with the mailbox's name, and is the only way in
which a mail on a server is spoken of. Nothing here ever sets \\Seen, expunges a folder, or touches more than
the one mail that it was asked to.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal


class MailProtocol(StrEnum):
    """What is spoken with the server."""

    IMAP = "imap"
    POP3 = "pop3"
    GRAPH = "graph"


class Security(StrEnum):
    """How the connection is protected. STARTTLS is demanded, never merely tried."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class LoginChoice(StrEnum):
    """The login mechanism of the settings; AUTO takes the strongest that server and settings allow."""

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
"""A password, or what gives it when asked: called once a login, so that a changed file is seen."""


def _nothing() -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxConfig:
    """How to reach one account: what wiring/application.py makes of the settings. No secret is in its repr.

    `username` is taken apart by `username.parse_username` unless `authorize_as` is set. `token` gives an OAuth
    access token; when it is set, AUTO uses nothing but OAUTHBEARER and XOAUTH2; `token_refused` is told the token that
    the server did not take. `timeout` is in seconds, for
    the connection and for each read. `take_login`, where it is set, is called before each login with what is to be
    logged in to, and raises TooManyLogins where there were too many; `on_command` for each command that is sent.
    `ca_file` is a PEM file trusted instead of the system's authorities.
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
    login: LoginChoice = LoginChoice.AUTO
    allow_cleartext: bool = False
    prevent_cleartext_login: bool = False
    prevent_ntlm: bool = False


@dataclass(frozen=True, slots=True)
class Location:
    """Where one mail lies: mailbox name of the settings, folder (decoded), validity and UID as text."""

    mailbox: str
    folder: str
    validity: str
    uid: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A mail that is there: its location, its size in bytes (RFC822.SIZE), when the server received it."""

    location: Location
    size: int
    received_at: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class RawMail:
    """A mail's bytes as the server gave them: in `content`, or, when large, in the file `path`.

    Exactly one of the two is set. `truncated` says that only the beginning was fetched because the mail is
    larger than the limit, or no more came; `listed.size` is what the server names.
    """

    listed: Listed
    content: bytes | None = None
    path: Path | None = None
    truncated: bool = False


class Filing(StrEnum):
    """What became of a wish to file one mail."""

    MOVED = "moved"
    GONE = "gone"
    KEPT = "kept"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class FolderState:
    """A folder as it stands: validity, how many mails, the next UID, whether keywords or nothing can be set.

    `rights` are the letters of RFC 4314 (`lrswite`) where the server tells them, else None.
    """

    name: str
    validity: str
    messages: int
    uid_next: int | None = None
    keywords: bool = False
    read_only: bool = False
    rights: str | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """What a connection turned out to be: for `check`, and for a person.

    `tls` is its version (`TLSv1.3`) or an empty text; `certificate_until` when the server's certificate ends.
    `moves` says how a mail is filed: `move` is one step, `copy` is several and safe, `mark` leaves the mail where
    it is, marked as deleted, `none` is no filing at all. `pushes` says whether the server speaks up by itself;
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

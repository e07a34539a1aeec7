"""The vocabulary of mailboxes, and what every kind of mailbox can do.

A **mailbox** is an account that is read. It holds **folders**. A folder has a **validity** (IMAP's UIDVALIDITY;
a constant elsewhere): when it changes, every UID in the folder means something else. A **UID** names one mail in
one folder under one validity. `Location` is the three together with the mailbox's name, and is the only way in
which a mail on a server is spoken of. Nothing here ever sets \\Seen, expunges a folder, or touches more than
the one mail that it was asked to.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

from redmine_mailbridge.mailboxes.login_limit import LoginLimiter


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


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxConfig:
    """How to reach one account: what app.py makes of the settings. No secret is in its repr.

    `username` is taken apart by `username.parse_username` unless `authorize_as` is set. `token` gives an OAuth
    access token; when it is set, AUTO uses nothing but OAUTHBEARER and XOAUTH2; `token_refused` is told the token that
    the server did not take. `timeout` is in seconds, for
    the connection and for each read. `logins`, where it is set, bounds the logins to the account. `ca_file` is a PEM
    file trusted instead of the system's authorities.
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
    logins: LoginLimiter | None = None
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


class Mailbox(Protocol):
    """One account on one server, used by one thread at a time.

    Every method raises MailboxUnreachable when the connection is refused, breaks or times out, LoginRefused
    when the login is; after either the mailbox may be used again and connects anew.
    """

    name: str
    in_order: bool
    """Do the UIDs of a folder grow as mails enter it (IMAP, RFC 9051 section 2.3.1.1)? Where they do not, what is new
    is what the store does not know.
    """

    def connect(self) -> None:
        """Connect and log in now, if not connected. Raise MailboxUnreachable or LoginRefused."""

    def connected(self) -> Connected:
        """Connect if not connected. Return what the connection turned out to be."""

    def close(self) -> bool:
        """End the connection politely; never raises. With POP3 this is where deletions take effect.

        Return whether everything has: False when the server did not confirm them, and they must be asked for again.
        """

    def folders(self) -> tuple[str, ...]:
        """All folders of the account, decoded names."""

    def ensure_folder(self, folder: str) -> bool:
        """Given a folder name, make it when it is missing. Return whether it was made. Raise FolderMissing."""

    def state(self, folder: str) -> FolderState:
        """Open a folder. Return its state. Raise FolderMissing."""

    def list_new(self, folder: str, *, after: str | None = None, limit: int | None = None) -> tuple[Listed, ...]:
        """Given a folder and the highest UID already known under its present validity (None: nothing known),
        return the mails above it, oldest first, at most `limit`. The cost does not grow with the mails below.
        """

    def fetch(self, listed: Sequence[Listed], spool: Path, *, max_size: int) -> Iterator[RawMail]:
        """Given mails of one folder, yield their bytes in the same order, without marking anything as read.

        Small mails come in chunks of one request; large ones are written to new files in the folder `spool`
        piece by piece. Above `max_size` bytes only the first 256 KiB are fetched. A mail that has vanished is
        left out of what is yielded. Raise MailboxUnreachable when the connection breaks; what was yielded
        before stands. Raise MailUnreadable at a mail that the server has but does not hand out: it has not
        vanished, and those before it were yielded.
        """

    def file(self, location: Location, folder: str, *, first: bool = False) -> Filing:
        """Given one mail, move it to a folder of the same account: UID MOVE, else UID COPY + UID STORE
        \\Deleted + UID EXPUNGE of this one UID. Return GONE when it is not there (any more).

        `first` says that nobody has tried before. Else, where a move takes several steps, it is looked in the folder
        whether an earlier try has copied it there already.
        Raise FilingRefused when the server refuses (over quota, read-only).
        """

    def empties(self, folder: str) -> bool:
        """Given a folder, does the server remove by itself what lies there for some time (trash, junk)?"""

    def delete(self, location: Location) -> Filing:
        """Given one mail, remove this one from the server. Return DELETED, or GONE when it is not there (any more).
        Raise FilingRefused when the server refuses.
        """

    def mark(self, location: Location) -> Filing:
        """Given one mail that stays where it is, mark it as done with a keyword, where the server keeps keywords.
        Return KEPT, or GONE when it is not there (any more). Raise FilingRefused when the server refuses.
        """

    def message_ids(self, listed: Sequence[Listed]) -> dict[str, str]:
        """Given mails of one folder, return by UID what their Message-ID fields say, as written, on one line. A mail
        that is not there, or has none, is left out.
        """

    def find(self, folder: str, message_id: str) -> tuple[str, ...]:
        """Given a Message-ID (without <>), return the UIDs in the folder whose header holds exactly it."""

    def alike(self, listed: Listed, folder: str) -> tuple[Location, ...]:
        """Given a mail as it was once listed, return where in the folder mails lie that may be it: of its size, and
        received at the same second, as moves keep both. Empty where no mail can be known again. Raise FolderMissing.
        """

    def wait(self, folder: str, seconds: float) -> bool:
        """Wait for something new in the folder (IDLE where the server has it), at most so long. Return whether
        there may be something new. Only a hint: the caller lists anyway. Ends early when `interrupt` is called.
        """

    def interrupt(self) -> None:
        """Make a `wait` that another thread stands in return soon. For other threads, as is `cut`."""

    def cut(self) -> None:
        """End the connection without a word, whatever another thread waits for: that fails, and no other is made. Never
        raises.
        """

"""Every error the bridge raises on purpose.

    MailbridgeError
    ├── SettingsError          the settings file, or a value that it points to
    ├── AlreadyRunning         another instance of the service holds the lock on this store
    ├── MailboxError           the mail server
    │   ├── MailboxUnreachable     refused, dropped, timed out, bad certificate: retried later
    │   │   ├── MailUnreadable         the UID exists, but the server does not return the message
    │   │   ├── TooManyLogins          too many recent logins: the bridge pauses before the next one
    │   │   └── ProviderAway           the OAuth provider does not respond: retried later
    │   ├── LoginRefused           the text includes the server's own words
    │   │   └── SignInNeeded           a person must sign in (OAuth) first
    │   ├── FolderMissing          the folder does not exist and could not be created
    │   ├── MailVanished           the UID no longer exists
    │   └── FilingRefused          the server rejected the move (quota, read-only folder)
    ├── RedmineError
    │   ├── RedmineUnavailable     nothing was written; retry later (after retry_after seconds, if Redmine sent it)
    │   │   ├── AccessDenied           Redmine responds but denies access: an admin must fix that
    │   │   └── UnknownLogin           the impersonated user is missing or locked: decide again
    │   ├── RedmineUnclear         the request may or may not have been executed: verify before writing again
    │   ├── RedmineRefused         permanently rejected; the text includes Redmine's words
    │   └── SettingsUnfit          Redmine does not have, or rejects, what a mailbox's settings name
    ├── SendingError           the SMTP server, or Microsoft Graph
    │   ├── SendingRefused         5xx: not retried
    │   ├── SendingDeferred        4xx, unreachable, disconnected: retried later
    │   └── MailMalformed          a message from the bridge failed its own checks: not retried
    └── StoreError
        ├── StoreBusy              database locked: retried later
        ├── LockLost               the lock on the store is lost: another process may hold it
        ├── RawUnreadable          the raw bytes of one message cannot be read; the rest of the store can
        │   └── RawMissing             the raw bytes are no longer in the store
        └── StoreFull              disk full: retried later; no message is fetched until there is space

No error text contains a secret or the body of a message.
"""


class MailbridgeError(Exception):
    """Base of all. `str(error)` is one line that an admin can act on."""


class SettingsError(MailbridgeError):
    """The settings cannot be used; the text says what to change and where.

    `problems` holds one line per problem: file, table and key, what is wrong, "did you mean".
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class AlreadyRunning(MailbridgeError):
    """Another instance of the service holds the lock on this store."""


class MailboxError(MailbridgeError):
    """The mail server failed to execute a command; the text ends with the server's own words."""


class MailboxUnreachable(MailboxError):
    """The connection failed or was lost: refused, dropped, timed out, bad certificate, server busy.

    `answered` means that the connection is still open: the server returned an error about itself.
    """

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


class TooManyLogins(MailboxUnreachable):
    """No connection was opened: there were too many recently. The text says in how many seconds one is allowed."""


class LoginRefused(MailboxError):
    """The server rejected the login. It is retried with growing pauses, since a password can be corrected.

    `met` describes the connection up to then (`model.mailbox.ConnectionInfo`), if one was opened.
    """

    met: object = None


class ProviderAway(MailboxUnreachable):
    """The OAuth provider does not respond or is temporarily unable to: the token is requested again later."""


class SignInNeeded(LoginRefused):
    """No one has signed in (OAuth), or the provider no longer renews the sign-in: the text says what to run."""


class FolderMissing(MailboxError):
    """A folder does not exist and could not be created."""


class MailVanished(MailboxError):
    """The message is no longer where it was listed: it was moved or deleted."""


class MailUnreadable(MailboxUnreachable):
    """The message exists, but the server does not return it (`uid` names it); the connection stays open.

    `of_server` means that the server's error is about the server itself and may be unrelated to the message.
    """

    def __init__(self, message: str, *, uid: str = "", of_server: bool = False) -> None:
        super().__init__(message, answered=True)
        self.uid = uid
        self.of_server = of_server


class FilingRefused(MailboxError):
    """The server rejected the move (over quota, read-only folder); the message stays where it is."""


class RedmineError(MailbridgeError):
    """Redmine failed to execute a request."""


class RedmineUnavailable(RedmineError):
    """Redmine, or the network path to it, is unavailable; nothing was written: retry later.

    `retry_after` is in seconds if the server sent a delay, else None. `overloaded` means that the response indicates
    too many concurrent requests (429, 503, a locked database), so that the sender may slow down. `writing` means that
    the request was a write: successful reads say nothing about it. `sent` means that the request left the bridge, so
    that a proxy's claim that nothing was done proves nothing.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, overloaded: bool = False, writing: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.overloaded = overloaded
        self.writing = writing
        self.sent = False

    @property
    def why_all_waits(self) -> str:
        """Why writes are suspended, in one line for an admin."""
        return f"Redmine is unavailable: {self}"


class AccessDenied(RedmineUnavailable):
    """Redmine responds but rejects the API key (401) or has its REST API disabled (403), or a gateway in front of it
    blocks the bridge. Nothing was written; the text says what to change. `key` means that the key was rejected; only
    the code that made the connection knows where the key is configured.
    """

    def __init__(self, message: str, *, key: bool = False) -> None:
        super().__init__(message)
        self.key = key

    @property
    def why_all_waits(self) -> str:
        """Why writes are suspended. Redmine does respond, so the text does not call it unavailable."""
        return str(self)


class RedmineUnclear(RedmineError):
    """A write request was sent and its result is unknown: timeout, reset, 5xx, truncated response.

    `settle` means that the server may still be executing the request, so that verification is useful only after the
    settling time; after a plain 500 the request has ended and can be verified at once.
    """

    def __init__(self, message: str, *, settle: bool = True, overloaded: bool = False) -> None:
        super().__init__(message)
        self.settle = settle
        self.overloaded = overloaded

    def again(self) -> RedmineUnavailable:
        """Return the same failure as an outage, for a request that is safe to repeat."""
        return RedmineUnavailable(str(self), overloaded=self.overloaded, writing=True)


class UnknownLogin(RedmineUnavailable):
    """Redmine rejected the impersonated login (412): unknown or locked. The decision about its message is stale."""


class RedmineRefused(RedmineError):
    """Redmine permanently rejected this request: 422 with messages, or 403, 404 or 413 for this object."""

    def __init__(self, message: str, *, status: int = 422, messages: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.messages = messages


class SettingsUnfit(RedmineError):
    """Redmine does not have, or rejects, what a mailbox's settings name: its messages wait until it does.

    `lines` names each problem on a line.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


class SendingError(MailbridgeError):
    """The server did not accept a message; the text includes the server's words."""


class SendingRefused(SendingError):
    """The server permanently rejected this message (5xx)."""


class SendingDeferred(SendingError):
    """Sending failed temporarily. `whole`: the failure applies to every message, not only to the current one.

    `ended`: the connection is closed, and the current message may be the cause. `configuration`: an admin must change
    how mail is sent before the server accepts this message (relaying denied, or sender not allowed). `pause`: the
    seconds that the server requests, or that must pass before it can be found out whether the message was sent.
    """

    def __init__(
        self,
        message: str,
        *,
        whole: bool = True,
        ended: bool = False,
        configuration: bool = False,
        pause: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.whole = whole
        self.ended = ended
        self.configuration = configuration
        self.pause = pause


class MailMalformed(SendingError):
    """A message from the bridge does not contain what it should, so it must not be sent."""


class StoreError(MailbridgeError):
    """The bridge's own store failed to execute an operation."""


class StoreBusy(StoreError):
    """The database is locked by another process for longer than the lock timeout."""


class StoreFull(StoreError):
    """No space left on the disk for the raw mail or the database."""


class LockLost(StoreError):
    """The lock that this process works under is lost: nothing is written until it is acquired again."""


class RawUnreadable(StoreError):
    """The bytes of one mail cannot be read (a bad block, file permissions); the rest of the store works."""


class RawMissing(RawUnreadable):
    """The bytes of one mail are not where the store keeps them: the file was removed."""

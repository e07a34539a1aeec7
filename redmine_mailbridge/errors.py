"""Every error the bridge raises on purpose.

    MailbridgeError
    ├── SettingsError          the settings file, or a value that it points to
    ├── AlreadyRunning         another service holds this store
    ├── MailboxError           the mail server
    │   ├── MailboxUnreachable     refused, dropped, timed out, certificate: later
    │   │   ├── MailUnreadable         the UID is there, but the server does not hand it out
    │   │   ├── TooManyLogins          we have logged in too often of late, and leave the server alone
    │   │   └── ProviderAway           the OAuth provider does not answer: later
    │   ├── LoginRefused           the server's own words in the text
    │   │   └── SignInNeeded           a person must sign in (OAuth) before this goes on
    │   ├── FolderMissing          the folder does not exist and could not be made
    │   ├── MailVanished           the UID is not there any more
    │   └── FilingRefused          the move was refused (quota, read-only folder)
    ├── RedmineError
    │   ├── RedmineUnavailable     nothing was written; try later (retry_after seconds, if it said so)
    │   │   ├── AccessDenied           it answers and does not let the bridge in: a person must mend that
    │   │   └── UnknownLogin           the user to act as is gone or locked: decide anew
    │   ├── RedmineUnclear         the request may or may not have been carried out: look before writing again
    │   ├── RedmineRefused         refused for good, with Redmine's words
    │   └── SettingsUnfit          Redmine does not have, or does not take, what a mailbox's settings name
    ├── SendingError           the SMTP server
    │   ├── SendingRefused         5xx: never
    │   ├── SendingDeferred        4xx, away, broken: later
    │   └── MailMalformed          a mail of ours is not what it was meant to be: never
    └── StoreError
        ├── StoreBusy              locked: later
        ├── LockLost               the right to work on the store is lost: another may have it
        ├── RawUnreadable          the bytes of one mail cannot be read, while the rest of the store can
        │   └── RawMissing             they are not in the store any more
        └── StoreFull              no room left on the disk: later, and nothing is fetched until there is

No text of an error holds a secret or a mail's body.
"""


class MailbridgeError(Exception):
    """Base of all. `str(error)` is one line that an admin can act on."""


class SettingsError(MailbridgeError):
    """Given settings that cannot be used, say what to change and where.

    `problems` holds one line a problem: file, table and key, what is wrong, "did you mean".
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class AlreadyRunning(MailbridgeError):
    """Another service holds the lease of this store."""


class MailboxError(MailbridgeError):
    """The mail server did not do what was asked; the text ends with the server's own words."""


class MailboxUnreachable(MailboxError):
    """No connection, or it broke: refused, dropped, timed out, bad certificate, server busy.

    `answered` says that the connection stands: the server said no, and spoke of itself.
    """

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


class TooManyLogins(MailboxUnreachable):
    """No connection was made: there were too many of late. The text says in how many seconds there may be another."""


class LoginRefused(MailboxError):
    """The server answered, and refused the login. Tried again with growing pauses: a password can be mended.

    `met` is what the connection was until then (`model.mailbox.Connected`), where there was one.
    """

    met: object = None


class ProviderAway(MailboxUnreachable):
    """The OAuth provider does not answer, or cannot now: the token is had later."""


class SignInNeeded(LoginRefused):
    """Nobody has signed in (OAuth), or the provider renews the sign-in no more: the text says what to run."""


class FolderMissing(MailboxError):
    """A folder does not exist and could not be made."""


class MailVanished(MailboxError):
    """The mail is no longer where it was listed: somebody moved or deleted it."""


class MailUnreadable(MailboxUnreachable):
    """A mail is there, but the server does not hand it out (`uid` names it); the connection goes on.

    `of_server` says that the server's words are about itself: the mail may have nothing to do with it.
    """

    def __init__(self, message: str, *, uid: str = "", of_server: bool = False) -> None:
        super().__init__(message, answered=True)
        self.uid = uid
        self.of_server = of_server


class FilingRefused(MailboxError):
    """The server would not move the mail (over quota, read-only folder); it stays where it is."""


class RedmineError(MailbridgeError):
    """Redmine did not do what was asked."""


class RedmineUnavailable(RedmineError):
    """Redmine, or the way to it, is away, and nothing was written: try later.

    `retry_after` is in seconds when the server named a pause, else None. `overloaded` says that the answer was
    a sign of too many requests at once (429, 503, a locked database), so that the sender may slow down. `writing`:
    the request was to change something; that others are answered says nothing of it then. `sent`: it left us, so that a
    proxy's word that nothing was done is no proof.
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
        """Why nothing can be written for now, in one line for an admin."""
        return f"Redmine is away: {self}"


class AccessDenied(RedmineUnavailable):
    """Redmine answers, and does not take the API key (401), or is used by no API (403); or a gateway in front of it
    does not let the bridge pass. Nothing was written; the text says what to change. `key`: it is the key that is not
    taken, and only who made the connection knows where that stands.
    """

    def __init__(self, message: str, *, key: bool = False) -> None:
        super().__init__(message)
        self.key = key

    @property
    def why_all_waits(self) -> str:
        """Why nothing can be written for now: it is there, and is not said to be away."""
        return str(self)


class RedmineUnclear(RedmineError):
    """A writing request was sent and its result is unknown: time-out, reset, 5xx, cut answer.

    `settle` says that the request may still be under way inside the server, so that a look is worth something
    only after the settling time; a plain 500 has ended there and can be looked at at once.
    """

    def __init__(self, message: str, *, settle: bool = True, overloaded: bool = False) -> None:
        super().__init__(message)
        self.settle = settle
        self.overloaded = overloaded

    def again(self) -> RedmineUnavailable:
        """The outage that this is for a request which may be sent twice."""
        return RedmineUnavailable(str(self), overloaded=self.overloaded, writing=True)


class UnknownLogin(RedmineUnavailable):
    """Redmine would not act as this login (412): unknown, or locked since. What was decided about its mail is stale."""


class RedmineRefused(RedmineError):
    """Redmine refused this request for good: 422 with its messages, or 403, 404, 413 for this one object."""

    def __init__(self, message: str, *, status: int = 422, messages: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.messages = messages


class SettingsUnfit(RedmineError):
    """Redmine does not have, or does not take, what a mailbox's settings name: its mail waits until it does.

    `lines` say what, one each.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines = lines


class SendingError(MailbridgeError):
    """The mail server that sends did not take a mail; the text holds its words."""


class SendingRefused(SendingError):
    """It refused this mail for good (5xx)."""


class SendingDeferred(SendingError):
    """It is away, or this is to be tried later. `whole`: this holds for every mail, not only for the one in hand.

    `ended`: the connection is over, and the mail in hand may be why. `configuration`: how mail is sent has to be
    mended by a person before the server takes this (it does not relay for us, or not under this sender).
    """

    def __init__(self, message: str, *, whole: bool = True, ended: bool = False, configuration: bool = False) -> None:
        super().__init__(message)
        self.whole = whole
        self.ended = ended
        self.configuration = configuration


class MailMalformed(SendingError):
    """A mail of ours does not hold what it was meant to hold, so that it must not leave."""


class StoreError(MailbridgeError):
    """The bridge's own store could not do what was asked."""


class StoreBusy(StoreError):
    """The database is locked by somebody else for longer than we wait."""


class StoreFull(StoreError):
    """No room on the disk for the raw mail or the database."""


class LockLost(StoreError):
    """The lock under which this process works is lost: nothing is written until it is had again."""


class RawUnreadable(StoreError):
    """The bytes of one mail cannot be read (a bad block, a file's rights), while the store is well otherwise."""


class RawMissing(RawUnreadable):
    """The bytes of one mail are not where the store keeps them: somebody removed the file."""

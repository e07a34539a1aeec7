"""The interface of every kind of mailbox, in the terms of `model/mailbox.py`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from redmine_mailbridge.model.mailbox import ConnectionInfo, Filing, FolderState, Listed, Location, RawMail


class Mailbox(Protocol):
    """One account on one server, used by one thread at a time.

    Every method raises MailboxUnreachable when the connection is refused, breaks or times out, LoginRefused
    when the login is; after either the mailbox may be used again and reconnects.
    """

    name: str
    commands: int
    """How many commands (Graph: requests) were sent to the server, over all connections."""
    in_order: bool
    """Do the UIDs of a folder grow as messages arrive (IMAP, RFC 9051 section 2.3.1.1)? If not, a message is new
    if the store does not know it.
    """

    def connect(self) -> None:
        """Connect and log in now, if not connected. Raise MailboxUnreachable or LoginRefused."""

    def connected(self) -> ConnectionInfo:
        """Connect if not connected. Return the properties of the connection."""

    def close(self) -> bool:
        """Close the connection cleanly; never raises. With POP3 this commits deletions.

        Return whether all are committed: False if the server did not confirm them, and they must be requested again.
        """

    def folders(self) -> tuple[str, ...]:
        """All folders of the account, decoded names."""

    def ensure_folder(self, folder: str) -> bool:
        """Given a folder name, create it if it is missing. Return whether it was created. Raise FolderMissing."""

    def state(self, folder: str) -> FolderState:
        """Open a folder. Return its state. Raise FolderMissing."""

    def list_new(self, folder: str, *, after: str | None = None, limit: int | None = None) -> tuple[Listed, ...]:
        """Given a folder and the highest known UID under its present validity (None: none known),
        return the messages above it, oldest first, at most `limit`. The cost does not grow with the messages below.
        """

    def fetch(self, listed: Sequence[Listed], spool: Path, *, max_size: int) -> Iterator[RawMail]:
        """Given messages of one folder, yield their bytes in the same order, without marking anything as read.

        Small mails come in chunks of one request; large ones are written to new files in the folder `spool`
        piece by piece. Above `max_size` bytes only the first 256 KiB are fetched. A mail that has vanished is
        left out of what is yielded. Raise MailboxUnreachable when the connection breaks; what was yielded
        before is kept. Raise MailUnreadable at a message that the server has but does not return: it has not
        vanished, and those before it were yielded.
        """

    def file(self, location: Location, folder: str, *, first: bool = False) -> Filing:
        """Given one mail, move it to a folder of the same account: UID MOVE, else UID COPY + UID STORE
        \\Deleted + UID EXPUNGE of this one UID. Return GONE when it is not there (any more).

        `first` means that this is the first try. Else, if a move takes several steps, the target folder is searched
        whether an earlier try has copied it there already.
        Raise FilingRefused when the server refuses (over quota, read-only).
        """

    def empties(self, folder: str) -> bool:
        """Given a folder, does the server automatically delete its messages after some time (trash, junk)?"""

    def junk(self) -> str | None:
        """The account's folder for spam, by its mark or its name; None if there is none."""

    def delete(self, location: Location) -> Filing:
        """Given one message, remove only this one from the server. Return DELETED, or GONE if it does not exist (any
        more). Raise FilingRefused if the server rejects it.
        """

    def mark(self, location: Location) -> Filing:
        """Given one message that stays in place, mark it as done with a keyword, if the server stores keywords.
        Return KEPT, or GONE if it does not exist (any more). Raise FilingRefused if the server rejects it.
        """

    def message_ids(self, listed: Sequence[Listed]) -> dict[str, str]:
        """Given messages of one folder, return by UID their Message-ID fields, as written, on one line. Messages
        that do not exist, or have none, are left out.
        """

    def find(self, folder: str, message_id: str) -> tuple[str, ...]:
        """Given a Message-ID (without <>), return the UIDs in the folder whose header holds exactly it."""

    def alike(self, listed: Listed, folder: str) -> tuple[Location, ...]:
        """Given a message as once listed, return the locations in the folder of messages that may be it: of its size,
        and received in the same second, since moves keep both. Empty if this cannot be determined. Raise FolderMissing.
        """

    def wait(self, folder: str, seconds: float) -> bool:
        """Wait for a new message in the folder (IDLE if the server has it), at most this long. Return whether
        there may be one. Only a hint: the caller lists anyway. Ends early when `interrupt` is called.
        """

    def interrupt(self) -> None:
        """Make a `wait` in another thread return soon. For other threads, as is `cut`."""

    def cut(self) -> None:
        """End the connection without a word, whatever another thread waits for: that fails, and no other is made. Never
        raises.
        """

"""What every kind of mailbox can do, in the words of `model/mailbox.py`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from redmine_mailbridge.model.mailbox import Connected, Filing, FolderState, Listed, Location, RawMail


class Mailbox(Protocol):
    """One account on one server, used by one thread at a time.

    Every method raises MailboxUnreachable when the connection is refused, breaks or times out, LoginRefused
    when the login is; after either the mailbox may be used again and connects anew.
    """

    name: str
    commands: int
    """How many commands (Graph: requests) were sent to the server, over all connections."""
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

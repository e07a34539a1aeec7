"""Puts copies of what was sent into the Sent folders of the mailboxes: best effort, and never in the way of sending.

It runs apart from sending, on connections of its own. A mailbox that cannot be reached is tried again after a growing
pause; a copy that cannot be made within two days is given up.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import structlog

from redmine_mailbridge.errors import FilingRefused, MailboxError
from redmine_mailbridge.model.mail_state import pause_after
from redmine_mailbridge.store.outgoing.rows import QueuedMail
from redmine_mailbridge.store.outgoing.sent_copies import SentCopies

log = structlog.get_logger(__name__)

BATCH = 20
GIVE_UP = 2 * 86_400.0


class Folder(Protocol):
    """A Sent folder, as `mailboxes.imap.sent.SentFolder`."""

    def __enter__(self) -> Self:
        """Connect. Raise MailboxError."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the connection."""

    def save(self, message_id: str, content: bytes, sent_at: float) -> bool:
        """Put a message there unless it is there. Return whether it was put there now. Raise MailboxError."""


class SentCopier:
    """Given what lacks a copy and how each mailbox's Sent folder is opened, makes the copies. `once` is called by one
    thread at a time.
    """

    def __init__(self, copies: SentCopies, folders: Mapping[str, Callable[[], Folder]], stop: threading.Event) -> None:
        self._copies = copies
        self._folders = folders
        self._stop = stop
        self._failures: dict[str, tuple[int, float]] = {}

    @property
    def mailboxes(self) -> frozenset[str]:
        """The mailboxes that get copies."""
        return frozenset(self._folders)

    def once(self) -> int:
        """Make the copies that are missing. Return how many are there now; failures are only logged."""
        return sum(self._of(mailbox) for mailbox in self._folders if not self._stop.is_set())

    def _of(self, mailbox: str) -> int:
        now = self._copies.clock()
        tries, failed_at = self._failures.get(mailbox, (0, 0.0))
        if tries and 0 <= now - failed_at < pause_after(tries):
            return 0
        waiting = self._copies.waiting(mailbox, limit=BATCH)
        if not waiting:
            return 0
        copied = missing = 0
        left, words = list(waiting), ""
        try:
            with self._folders[mailbox]() as folder:
                while waiting and (refused := self._copy_each(folder, waiting, left)):
                    words = refused  # by those it refused, however many, it delays none behind them
                    self._give_up(left, words)
                    copied, missing = copied + len(waiting) - len(left), missing + len(left)
                    waiting = self._copies.waiting(mailbox, limit=BATCH, after=waiting[-1].id)
                    left = list(waiting)
        except MailboxError as error:
            words = str(error)
            self._give_up(left, words)
        self._failures.pop(mailbox, None)
        if words:
            log.warning("sending.no_copy", mailbox=mailbox, waiting=missing + len(left), reason=words)
            self._failures[mailbox] = (tries + 1, now)
        return copied + len(waiting) - len(left)

    def _copy_each(self, folder: Folder, waiting: Sequence[QueuedMail], left: list[QueuedMail]) -> str:
        """Copy each message and take it out of `left`. Return why the server refused one; it delays no other."""
        words = ""
        for mail in waiting:
            if self._stop.is_set():
                break
            try:
                self._copy(folder, mail)
            except FilingRefused as error:
                words = words or str(error)
            else:
                left.remove(mail)
        return words

    def _copy(self, folder: Folder, mail: QueuedMail) -> None:
        if not mail.content:
            self._copies.done(mail, "no copy in the Sent folder: the message is not in the store any more")
            return
        new = folder.save(mail.message_id, mail.content, mail.sent_at or self._copies.clock())
        self._copies.done(mail, "copy in the Sent folder" if new else "copy in the Sent folder: found there")

    def _give_up(self, waiting: list[QueuedMail], words: str) -> None:
        """Of what could not be copied, give up what is too old."""
        for mail in waiting:
            if self._copies.clock() - (mail.sent_at or 0.0) > GIVE_UP:
                self._copies.done(mail, f"no copy in the Sent folder: {words}")

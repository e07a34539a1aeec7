"""The folder of an IMAP account that holds what was sent: copies are put there, each once."""

from imaplib import Time2Internaldate
from types import TracebackType
from typing import Self

from redmine_mailbridge.errors import FilingRefused, FolderMissing
from redmine_mailbridge.mailboxes.imap.folders import ImapFolders
from redmine_mailbridge.mailboxes.imap.search import found_by_id
from redmine_mailbridge.mailboxes.imap.session import ImapSession
from redmine_mailbridge.model.mailbox import MailboxConfig
from redmine_mailbridge.side_effects import SideEffect, side_effect


class SentFolder:
    """Given an account and a folder's name ("": the one marked \\Sent), a connection of its own. A context.

    Every method raises MailboxError.
    """

    def __init__(self, config: MailboxConfig, folder: str = "") -> None:
        self._config = config
        self._folder = folder

    def __enter__(self) -> Self:
        self._session = ImapSession(self._config)
        self._folders = ImapFolders(self._session)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._session.log_out()
        else:
            self._session.drop()

    def name(self) -> str:
        """Return the folder's name as the server spells it. Raise FolderMissing if there is none."""
        name = self._folders.spell(self._folder) if self._folder else self._folders.sent()
        if name is None:
            where = self._session.where
            raise FolderMissing(f"{where}: no folder is marked as \\Sent (RFC 6154): set outgoing.sent_folder")
        if name not in self._folders.listed():
            raise FolderMissing(f"{self._session.where}: no folder {self._folder!r} (outgoing.sent_folder)")
        return name

    def save(self, message_id: str, content: bytes, sent_at: float) -> bool:
        """Given a mail, its Message-ID (without <>) and when it was sent, put it there as read, unless it is there.

        Return whether it was put there now.
        """
        name = self.name()
        wire = self._folders.wire(name)
        opened = self._session.select(name, wire)
        if not opened.ok:
            raise FolderMissing(f"{self._session.where}: folder {name!r} cannot be opened: {opened.text}")
        if found_by_id(self._session, message_id):
            return False
        self._session.client.literal = content
        with side_effect(SideEffect.SAVE_SENT):
            answer = self._session.command("APPEND", wire, "(\\Seen)", Time2Internaldate(sent_at))
        if not answer.ok:
            raise FilingRefused(f"{self._session.where}: no copy in {name!r}: {answer.text}")
        return True

"""The one place where a mail may leave the mail server: never while the server's copy is the only whole one.

Whatever would have it gone from there, now or later (`after_success`, `after_failure`, the end of `keep_days`, a move
to a folder that the server empties by itself), asks here first.
"""

from dataclasses import dataclass

import structlog

from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Filing
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.store.mails.whole import lacking
from redmine_mailbridge.store.messages import Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Left:
    """What became of a mail that was to leave its place: `why` says why it stayed in spite of that, None if it did."""

    filing: Filing
    why: str | None = None


def delete(mailbox: Mailbox, store: Store, row: MailRow, state: State) -> Left:
    """Given a mail that has come to this state, delete it from the server, or mark it where it must not go.

    Raise MailboxError.
    """
    why = lacking(store, row.id, state)
    if why is None:
        return Left(mailbox.delete(row.location))
    return _stays(mailbox, row, why)


def move(mailbox: Mailbox, store: Store, row: MailRow, state: State, folder: str, *, first: bool) -> Left:
    """Given a mail that has come to this state, move it to a folder, or mark it where that is a way to lose it.

    `first`: nobody has tried before. Raise MailboxError; FolderMissing when the folder does not exist.
    """
    why = lacking(store, row.id, state)
    if why is not None and mailbox.empties(folder):
        return _stays(mailbox, row, f"{why}, and the server empties {folder} by itself")
    return Left(mailbox.file(row.location, folder, first=first))


def _stays(mailbox: Mailbox, row: MailRow, why: str) -> Left:
    log.warning("receive.not_deleted", reason=why, id=row.id)
    return Left(mailbox.mark(row.location), why)

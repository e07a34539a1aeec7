"""The only place where a mail is removed from the mail server: never while the server has the only complete copy.

Everything that deletes a mail now or later (`after_success`, `after_failure`, the end of `keep_days`, a move to a
folder that the server empties automatically) goes through here.
"""

import structlog

from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.mailbox import Filing
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.store.mails.whole import lacking
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RemovalResult:
    """The result of removing a mail from its place. `why` says why it stayed; None if it was removed."""

    filing: Filing
    why: str | None = None


def delete(mailbox: Mailbox, store: Store, row: StoredMail, state: State) -> RemovalResult:
    """Given a mail with its final state, delete it from the server, or mark it if it must not be deleted.

    Raise MailboxError.
    """
    why = _lacking(store, row, state)
    if why is None:
        return RemovalResult(mailbox.delete(row.location))
    return _stays(mailbox, row, why)


def move(mailbox: Mailbox, store: Store, row: StoredMail, state: State, folder: str, *, first: bool) -> RemovalResult:
    """Given a mail with its final state, move it to a folder, or mark it if it could be lost there.

    `first`: this is the first attempt. Raise MailboxError; FolderMissing if the folder does not exist.
    """
    why = _lacking(store, row, state)
    if why is not None and mailbox.empties(folder):
        return _stays(mailbox, row, f"{why}, and the server empties {folder} automatically")
    return RemovalResult(mailbox.file(row.location, folder, first=first))


def _lacking(store: Store, row: StoredMail, state: State) -> str | None:
    """What the store lacks of a mail, in words. The store is not asked where the row, as it was read before the mail
    was done, says already that its bytes were complete: whether they are kept is of no matter then.
    """
    if state is State.DONE and row.raw is not None and not row.truncated:
        return None
    return lacking(store, row.id, state)


def _stays(mailbox: Mailbox, row: StoredMail, why: str) -> RemovalResult:
    log.warning("receive.not_deleted", reason=why, id=row.id)
    return RemovalResult(mailbox.mark(row.location), why)

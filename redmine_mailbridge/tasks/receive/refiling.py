"""Where a mail lies that was filed once, and was tried again since: no longer where it was read."""

from dataclasses import replace

from redmine_mailbridge.mail.mime.headers import message_ids
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mailbox import Location
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_files import digest_of, discard

COMPARED = 20
"""So many mails that may be it are fetched and compared."""


def lies_now(mailbox: Mailbox, store: Store, row: MailRow, folder: str, *, max_size: int) -> Location | None:
    """Given a mail and the folder that it was filed to, return where it lies there; None when it does not.

    It is known by its bytes; or, where the server does not give the same ones again (Exchange makes them anew), by its
    Message-ID when it is the only one that came at that second. Raise FolderMissing, MailboxUnreachable.
    """
    if row.raw is None:
        return None
    alike = [replace(row.listed, location=place) for place in mailbox.alike(row.listed, folder)[:COMPARED]]
    for raw in mailbox.fetch(alike, store.raw.spool, max_size=max_size):
        try:
            if digest_of(raw) == row.raw:
                return raw.listed.location
        finally:
            discard(raw)
    if len(alike) == 1:
        written = mailbox.message_ids(alike).get(alike[0].location.uid, "")
        return alike[0].location if row.message_id in message_ids(written) else None
    return None

"""Finds a mail that was filed once and then retried: it is no longer where it was read."""

from dataclasses import replace

from redmine_mailbridge.mail.mime.headers import message_ids
from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mailbox import Location
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.raw_mails.spool import digest_of, discard

COMPARED = 20
"""The maximum number of candidates that are fetched and compared."""


def lies_now(mailbox: Mailbox, store: Store, row: StoredMail, folder: str, *, max_size: int) -> Location | None:
    """Given a mail and the folder that it was filed to, return its place there; None if it is not found.

    It is identified by its content or, if the server does not return identical content (Exchange regenerates it), by
    its Message-ID if no other mail was received in the same second. Raise FolderMissing, MailboxUnreachable.
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

"""Opens a mailbox of whatever kind its configuration names."""

from redmine_mailbridge.mailboxes.base import Mailbox, MailboxConfig
from redmine_mailbridge.mailboxes.imap import ImapMailbox


def open_mailbox(config: MailboxConfig) -> Mailbox:
    """Given a configuration, return the mailbox; nothing is connected yet."""
    return ImapMailbox(config)

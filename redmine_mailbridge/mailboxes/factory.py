"""Opens a mailbox of whatever kind its configuration names."""

from redmine_mailbridge.mailboxes.base import Mailbox, MailboxConfig, MailProtocol
from redmine_mailbridge.mailboxes.imap import ImapMailbox
from redmine_mailbridge.mailboxes.pop3 import Known, Pop3Mailbox


def open_mailbox(config: MailboxConfig, known: Known | None = None) -> Mailbox:
    """Given a configuration, return the mailbox; nothing is connected yet.

    `known`, given UIDs, returns those that the store holds: POP3 needs it after a restart, because its UIDs have
    no order. IMAP does not.
    """
    if config.protocol is MailProtocol.POP3:
        return Pop3Mailbox(config, known)
    return ImapMailbox(config)

"""Opens a mailbox of whatever kind its configuration names."""

from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.mailboxes.graph.mailbox import GraphMailbox
from redmine_mailbridge.mailboxes.imap.mailbox import ImapMailbox
from redmine_mailbridge.mailboxes.pop3.mailbox import Known, Pop3Mailbox
from redmine_mailbridge.model.mailbox import MailboxConfig, MailProtocol


def open_mailbox(config: MailboxConfig, known: Known | None = None) -> Mailbox:
    """Given a configuration, return the mailbox; nothing is connected yet.

    `known`, given UIDs, returns those that the store holds: POP3 and Graph need it after a restart, because their UIDs
    have no order. IMAP does not.
    """
    if config.protocol is MailProtocol.POP3:
        return Pop3Mailbox(config, known)
    if config.protocol is MailProtocol.GRAPH:
        return GraphMailbox(config, known)
    return ImapMailbox(config)

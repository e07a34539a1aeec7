"""Opens a mailbox of whatever kind its configuration names."""

from typing import TYPE_CHECKING

from redmine_mailbridge.mailboxes.contract import Mailbox
from redmine_mailbridge.model.mailbox import MailboxConfig, MailProtocol
from redmine_mailbridge.util.lazy import lazy_import

if TYPE_CHECKING:
    from redmine_mailbridge.mailboxes.delivered import mailbox as delivered
    from redmine_mailbridge.mailboxes.graph import mailbox as graph
    from redmine_mailbridge.mailboxes.imap import mailbox as imap
    from redmine_mailbridge.mailboxes.pop3 import mailbox as pop3
else:  # few installations have mailboxes of all kinds
    delivered = lazy_import("redmine_mailbridge.mailboxes.delivered.mailbox")
    graph = lazy_import("redmine_mailbridge.mailboxes.graph.mailbox")
    imap = lazy_import("redmine_mailbridge.mailboxes.imap.mailbox")
    pop3 = lazy_import("redmine_mailbridge.mailboxes.pop3.mailbox")


def open_mailbox(config: MailboxConfig, known: "pop3.FindKnown | None" = None) -> Mailbox:
    """Given a configuration, return the mailbox; nothing is connected yet.

    `known`, given UIDs, returns those that the store holds: the others than IMAP need it after a restart, because their
    UIDs have no order.
    """
    if config.protocol is MailProtocol.POP3:
        return pop3.Pop3Mailbox(config, known)
    if config.protocol is MailProtocol.GRAPH:
        return graph.GraphMailbox(config, known)
    if config.protocol is MailProtocol.DELIVER:
        return delivered.DeliveredMailbox(config, known)
    return imap.ImapMailbox(config)

"""Is it proven who wrote a mail? Pure."""

from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.model.facts import Facts
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.policy.sender import Sender

MOST_IDS = 200


def proven(message: Message, sender: Sender, mailbox: MailboxIdentity, facts: Facts) -> bool:
    """Given a message and its sender, return whether anything proves that it comes from that address: the mail server
    as far as the route trusts it, or that it answers a message of the bridge, by its signed Message-ID, that was sent
    to that very address and to no other. Everyone in To or Cc of a conversation, of its messages and replies, knows its
    ids too, and so proves nothing by them.
    """
    if sender.forged or not sender.address.domain or len(message.from_all) > 1:
        return False
    return sender.proven or _answers_ours(message, sender.address.key, mailbox, facts)


def _answers_ours(message: Message, address: str, mailbox: MailboxIdentity, facts: Facts) -> bool:
    if mailbox.signer is None:
        return False
    theirs = spellings(address)
    for message_id in message.answered[:MOST_IDS]:
        known = facts.known.get(message_id)
        if known is None or mailbox.signer.read(message_id) is None:
            continue
        others = known.recipients - theirs
        if others != known.recipients and all(map(mailbox.ours, others)):
            return True
    return False

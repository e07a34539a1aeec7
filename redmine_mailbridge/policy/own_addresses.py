"""The bridge's own addresses: the mailbox a message was read from, and which other addresses belong to the bridge."""

from collections.abc import Mapping
from dataclasses import field

from redmine_mailbridge.mail.message_ids import Signer
from redmine_mailbridge.mail.mime.address_syntax import without_subaddress
from redmine_mailbridge.model.mail import Message, TextFormat
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class MailboxIdentity:
    """The mailbox that a mail was read from, and its neighbours.

    `addresses` go from every address and alias of our active mailboxes (lower case, this one's among them) to the
    mailbox's name; `routes` from the name of each, active or not, to its route. `redmine_addresses` are those that
    Redmine itself sends from (lower case). `signer` knows our own ids; without it none is recognised. `own_fields` are
    the custom fields, by name (casefold) or id, that the bridge itself fills: no keyword line sets them. `auto_replies`
    are the kinds that the mailbox sends.
    """

    name: str
    address: str
    addresses: Mapping[str, str] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)
    redmine_addresses: frozenset[str] = frozenset()
    signer: Signer | None = None
    text_format: TextFormat = "common_mark"
    own_fields: frozenset[str] = frozenset()
    auto_replies: frozenset[str] = frozenset()

    def owner(self, address: str) -> str | None:
        """Given an address, return the name of our mailbox that it belongs to, subaddress (+…) or not; else None."""
        address = address.lower()
        if address == self.address.lower():
            return self.name
        return self.addresses.get(address) or self.addresses.get(without_subaddress(address))

    def ours(self, address: str) -> bool:
        """Given an address, return whether mail to it comes to us."""
        address = address.lower()
        return self.owner(address) is not None or without_subaddress(address) == self.address.lower()

    def may_be_redmines(self, message_id: str) -> bool:
        """Given a Message-ID, may our Redmine have made it? It puts the domain of the address that it sends from behind
        the @; where the settings do not name that address, any may be its.
        """
        domains = {address.rpartition("@")[2] for address in self.redmine_addresses}
        return not domains or message_id.rpartition("@")[2].rstrip(">").lower() in domains


def subaddress(address: str) -> str:
    """Given `support+sales@example.com`, return `sales`; "" when there is none."""
    return address.rpartition("@")[0].partition("+")[2]


def responsible(message: Message, mailbox: MailboxIdentity, route: Route) -> tuple[str, Route]:
    """Given a mail, return the mailbox whose settings decide, and its route.

    That is the first recipient's among the bridge's (To, Cc, Bcc, then the envelope's), so that a message to several
    mailboxes comes to the same issue whichever copy is read first. With `several_mailboxes = "each"`, or when no
    recipient is the bridge's (Bcc), it is the mailbox that the message was read from.
    """
    if route.issue.several_mailboxes == "each":
        return mailbox.name, route
    named = [address.address for address in message.recipients] + list(message.recipients_of_record)
    for address in named:
        owner = mailbox.owner(address)
        if owner == mailbox.name:
            return mailbox.name, route
        if owner is not None and owner in mailbox.routes:
            return owner, mailbox.routes[owner]
    return mailbox.name, route

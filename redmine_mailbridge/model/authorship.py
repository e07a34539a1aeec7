"""The side of an issue's history entry: the customer's, an agent's, or the bridge's own. Pure."""

from typing import Literal

from redmine_mailbridge.util.dataclass import dataclass

Side = Literal["customer", "agent", "bridge"]


@dataclass(frozen=True, slots=True)
class JournalAuthorship:
    """The facts about an entry. `mail_sender` is the sender of the message that created it, None if none did;
    `user_mail` the address of the Redmine user who wrote it, "" if not visible. Addresses in any case. `neutral`: the
    message is an auto-reply, a delivery report, or from a third party.
    """

    user_id: int
    mail_sender: str | None = None
    user_mail: str = ""
    neutral: bool = False


@dataclass(frozen=True, slots=True)
class Participants:
    """The two sides of an issue. `requester` is the address whose message created it; `author_id` the Redmine user who
    is its author, None if not visible; `bridge_id` the user whose key the bridge uses.
    """

    requester: str
    author_id: int | None
    bridge_id: int

    def side_of(self, entry: JournalAuthorship) -> Side:
        """Given an entry, return its side.

        customer: a message from the requester; a message that the bridge added in its own name (from someone without an
        account, or whose account is not proven); whatever the issue's author writes, unless that is the
        bridge; whatever the Redmine user with the requester's address writes.
        bridge: what the bridge's own user did without a message: automation rules, notes about failed deliveries; and
        the replies of machines and of third parties, which count for neither side.
        So give the bridge a separate user: what a person writes with that account counts as the bridge's.
        agent: everyone else who wrote in Redmine, or whose message was added in the name of their own account.
        """
        if entry.neutral:
            return "bridge"
        requester = self.requester.lower()
        by_bridge = entry.user_id == self.bridge_id
        if requester and requester in {(entry.mail_sender or "").lower(), entry.user_mail.lower()}:
            return "bridge" if by_bridge and entry.mail_sender is None else "customer"
        if by_bridge:
            return "bridge" if entry.mail_sender is None else "customer"
        return "customer" if entry.user_id == self.author_id else "agent"

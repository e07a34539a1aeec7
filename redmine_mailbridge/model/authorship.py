"""Whose is an entry of an issue's history: the customer's, an agent's, or the bridge's own? Pure."""

from dataclasses import dataclass
from typing import Literal

Side = Literal["customer", "agent", "bridge"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of an entry. `mail_sender` is the sender of the mail that made it, None when none did; `user_mail`
    the address of the Redmine user who wrote it, "" when it is not shown to us. Addresses in any case. `machine`: the
    mail is an automatic reply or a delivery report.
    """

    user_id: int
    mail_sender: str | None = None
    user_mail: str = ""
    machine: bool = False


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides of an issue. `requester` is the address whose mail made it; `author_id` the Redmine user who is
    its author, None when nobody is shown; `bridge_id` the user whose key the bridge uses.
    """

    requester: str
    author_id: int | None
    bridge_id: int

    def of(self, entry: Entry) -> Side:
        """Given an entry, return whose it is.

        customer: a mail of the requester; a mail that the bridge wrote down in its own name (somebody without an
            account, or whose account nothing proves); whatever the issue's author writes, when that is not the
            bridge; whatever the Redmine user with the requester's address writes.
        bridge: what the bridge's own user did without a mail: rules of time, notes about undelivered answers; and what
            machines answered, which is nobody's word.
            So give the bridge a user of its own: what a person writes with that account counts as the bridge's.
        agent: everybody else who wrote in Redmine, or whose mail was written in the name of their own account.
        """
        if entry.machine:
            return "bridge"
        requester = self.requester.lower()
        by_bridge = entry.user_id == self.bridge_id
        if requester and requester in {(entry.mail_sender or "").lower(), entry.user_mail.lower()}:
            return "bridge" if by_bridge and entry.mail_sender is None else "customer"
        if by_bridge:
            return "bridge" if entry.mail_sender is None else "customer"
        return "customer" if entry.user_id == self.author_id else "agent"

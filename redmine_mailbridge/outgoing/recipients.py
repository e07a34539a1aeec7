"""Who gets a mail about an issue, and who does not and why. Pure."""

from collections.abc import Mapping
from typing import Literal

from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.util.dataclass import dataclass

NotifiedBy = Literal["mailed", "redmine"] | None


@dataclass(frozen=True, slots=True)
class NotMailedReason:
    """Why people do not get a mail: `key` identifies the reason, `words` state it to agents, before the addresses."""

    key: str
    words: str


UNPROVEN = NotMailedReason(
    "unproven", "Not in Cc of the mail to the customer, since nothing proves who wrote the mail that names them"
)
TOO_MANY = NotMailedReason(
    "too many", "Not in Cc of the mail to the customer, since it has the maximum number of addresses (answers.max_cc)"
)
THIRD_PARTIES = NotMailedReason(
    "third parties", "Not in Cc of the mail to the customer, since these addresses got mail as third parties (/to)"
)
NO_ADDRESS = NotMailedReason(
    "no address", "Nothing that is written here is mailed to this address, since it cannot receive mail"
)


@dataclass(frozen=True, slots=True)
class Recipients:
    """The recipients of a mail, and who is left out: people whom Redmine mails itself, people `over` the Cc limit,
    people whom only an unproven mail names, and people `without` an address that can receive mail. `direct` are those
    to whom the agent's own mail went. `refused` is why none of those gets the mail whom its writer names. `apart`
    are third parties whom its writer wants in Cc.
    """

    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    by_redmine: tuple[str, ...] = ()
    over: tuple[Address, ...] = ()
    unproven: tuple[Address, ...] = ()
    without: tuple[Address, ...] = ()
    direct: tuple[str, ...] = ()
    refused: str = ""
    apart: tuple[Address, ...] = ()

    @property
    def left_out(self) -> Mapping[NotMailedReason, tuple[Address, ...]]:
        """Those whom a note to the agents names, by the reason."""
        people_by_reason = {
            UNPROVEN: self.unproven, TOO_MANY: self.over, NO_ADDRESS: self.without, THIRD_PARTIES: self.apart,
        }  # fmt: skip
        return {why: them for why, them in people_by_reason.items() if them}

    def is_mailed_by_redmine(self, address: str) -> bool:
        """Is it left to Redmine to mail this address?"""
        return not spellings(address).isdisjoint(mailed.lower() for mailed in self.by_redmine)

    def notified_by(self, requester: str) -> NotifiedBy:
        """Who notifies the requester with this address: a mail, the agent's own included, Redmine, or no one."""
        if self.to or not spellings(requester).isdisjoint(mailed.lower() for mailed in self.direct):
            return "mailed"
        return "redmine" if self.is_mailed_by_redmine(requester) else None

    @property
    def why_nobody(self) -> str:
        """Why there are no recipients."""
        if self.refused:
            return self.refused
        if self.direct:
            return f"the agent's mail went to {', '.join(self.direct)} directly"
        if self.by_redmine:
            return f"Redmine mails {', '.join(self.by_redmine)} itself"
        return "no mail can go to the customer's address" if self.without else "no recipients"

    @property
    def line(self) -> str:
        """The text of the record after the list of recipients."""
        line = f"; Redmine mails {', '.join(self.by_redmine)} itself" if self.by_redmine else ""
        line += f"; the agent's mail went to {', '.join(self.direct)} directly" if self.direct else ""
        left_out = (("not proven", self.unproven), ("over answers.max_cc", self.over), ("third parties", self.apart))
        for what, them in left_out:
            if them:
                more = f" and {len(them) - 5} more" if len(them) > 5 else ""
                line += f"; not in Cc ({what}): {', '.join(person.address for person in them[:5])}{more}"
        return line

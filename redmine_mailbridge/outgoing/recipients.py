"""Who gets a mail about an issue, and who does not and why. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from redmine_mailbridge.mail.mime.address_syntax import spellings
from redmine_mailbridge.model.mail import Address


@dataclass(frozen=True, slots=True)
class Why:
    """Why people do not get a mail: `key` stands for it, `words` tell it to agents, before the addresses."""

    key: str
    words: str


UNPROVEN = Why(
    "unproven", "Not in Cc of the mail to the customer, since nothing proves who wrote the mail that names them"
)
TOO_MANY = Why("too many", "Not in Cc of the mail to the customer, since that holds as many as it may (answers.max_cc)")
NO_ADDRESS = Why("no address", "No mail can go to this address, so that nothing that is written here is mailed there")


@dataclass(frozen=True, slots=True)
class People:
    """Whom a mail goes to, and who is left out: those whom Redmine itself mails, those over the most for Cc, those whom
    only an unproven mail names, and those `without` an address that mail can go to.
    """

    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    by_redmine: tuple[str, ...] = ()
    over: tuple[Address, ...] = ()
    unproven: tuple[Address, ...] = ()
    without: tuple[Address, ...] = ()

    @property
    def left_out(self) -> Mapping[Why, tuple[Address, ...]]:
        """Those whom agents are told of, by the reason."""
        found = {UNPROVEN: self.unproven, TOO_MANY: self.over, NO_ADDRESS: self.without}
        return {why: them for why, them in found.items() if them}

    def redmine_tells(self, address: str) -> bool:
        """Is it left to Redmine to mail this address?"""
        return not spellings(address).isdisjoint(one.lower() for one in self.by_redmine)

    @property
    def why_nobody(self) -> str:
        """Why there is nobody to write to."""
        if self.by_redmine:
            return f"Redmine mails {', '.join(self.by_redmine)} itself"
        return "no mail can go to the customer's address" if self.without else "nobody to write to"

    @property
    def line(self) -> str:
        """What the record says behind those whom it was mailed to."""
        said = f"; Redmine mails {', '.join(self.by_redmine)} itself" if self.by_redmine else ""
        for what, them in (("not proven", self.unproven), ("over answers.max_cc", self.over)):
            if them:
                more = f" and {len(them) - 5} more" if len(them) > 5 else ""
                said += f"; not in Cc ({what}): {', '.join(one.address for one in them[:5])}{more}"
        return said

"""Who gets a mail about an issue."""

from collections.abc import Collection, Sequence

from redmine_mailbridge.mail.message_ids import THIRD_PARTY
from redmine_mailbridge.mail.mime.address_syntax import without_subaddress
from redmine_mailbridge.mail.mime.mailable import comparable, mailable
from redmine_mailbridge.mail.no_reply import takes_no_reply
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.issue_mail.mail import IssueMail
from redmine_mailbridge.outgoing.message import BY_PEOPLE
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Audience:
    """Who gets a mail. `private`: somebody does not, since the issue is not public."""

    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    to_requester: bool
    private: bool


class AudienceFilter:
    """Decides who gets a mail. `own_addresses`, the bridge's, are never written to."""

    def __init__(self, own_addresses: Collection[str]) -> None:
        self._own_addresses = frozenset(map(comparable, own_addresses))

    def audience(self, mail: IssueMail, *, visible_to_customer: bool) -> Audience:
        """Given a mail, and whether the customer may know of its issue, return who gets it."""
        if mail.kind == THIRD_PARTY:  # whom an agent has named, whatever the customer may see
            return Audience(tuple(self.reachable(mail.to, mail.kind)), (), to_requester=False, private=False)
        requester = comparable(mail.issue.requester)
        for_requester = any(comparable(person.address) == requester for person in mail.to)
        to, cc = mail.to, mail.cc
        if not visible_to_customer:
            to, cc = [person for person in to if comparable(person.address) != requester], ()
        first, copied = self.reachable(to, mail.kind), self.reachable(cc, mail.kind)
        if not first:
            first, copied = copied[:1], copied[1:]
        keys = {person.key for person in first}
        return Audience(
            to=tuple(first),
            cc=tuple(person for person in copied if person.key not in keys),
            to_requester=for_requester and visible_to_customer,
            private=not visible_to_customer and (for_requester or not to),
        )

    def reachable(self, people: Sequence[Address], kind: str) -> list[Address]:
        """Those of these people whom we may write to, each once: never ourselves, nor by a machine to machines."""
        able = [person for person in map(mailable, people) if person is not None and not self._is_own(person)]
        by_key = {person.key: person for person in reversed(able)}
        kept = [by_key[key] for key in dict.fromkeys(person.key for person in able)]
        return [person for person in kept if kind in BY_PEOPLE or not takes_no_reply(person)]

    def _is_own(self, person: Address) -> bool:
        return bool({person.key, without_subaddress(person.key)} & self._own_addresses)

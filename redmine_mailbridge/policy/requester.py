"""The requester: who asks something by a mail, who is named in the issue, and to whom answers go. Pure.

Usually that is who wrote it, by its From. The mail of a form, a shop, a no-reply address, a group that rewrites From,
or of one of our own addresses is sent for somebody else, whom Reply-To or X-Original-From names. Such a requester is
never proven: docs/admin/who-may-write.md says what may be gained by naming somebody.
"""

import re
from enum import StrEnum

from redmine_mailbridge.mail.mime.address_syntax import ways_to_write
from redmine_mailbridge.mail.no_reply import takes_no_reply
from redmine_mailbridge.model.facts import Facts
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.policy.patterns import first_fitting
from redmine_mailbridge.policy.sender import Sender, assess, believed
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.util.dataclass import dataclass

_FORM = re.compile(
    r"(?:wordpress|woocommerce|web[-_.]?forms?|(?:contact|kontakt)[-_.]?(?:forms?|formular)|formulare?|formulaire|"
    r"formulario|online[-_.]?shop|shop)"
)
"""Local parts under which web sites and shops send what their visitors wrote."""
BOUNCES = "mailer-daemon"
"""The local part that mail servers send bounces with; mail to it is not read."""
MOST_NAMED = 5
"""How many addresses of a header field are examined."""
_ANGLED = re.compile(r"<(?:mailto:)?([^<>\s@]{1,64}@[^<>\s@?]{1,255})", re.IGNORECASE)


class FoundBy(StrEnum):
    """What names the requester."""

    FROM = "From"
    REPLY_TO = "Reply-To"
    ORIGINAL_FROM = "X-Original-From"
    FORWARDED = "a forwarded message"
    WRITTEN_TO = "To"

    @property
    def line(self) -> str:
        """The words about the person whom it names, with {} for the From address."""
        if self is FoundBy.FORWARDED:
            return "(from a message forwarded by {})"
        if self is FoundBy.WRITTEN_TO:
            return "(addressed in a message by {})"
        return f"(named by {self.value} of a mail from {{}}; this is not proven)"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks. `why` is one phrase about why somebody other than the From address asks, "" for From itself.

    `listed`: the settings say that From's mail is other people's (`senders.forms`). `own`: From is our own address.
    """

    address: Address
    found_by: FoundBy = FoundBy.FROM
    why: str = ""
    listed: bool = False
    own: bool = False

    @property
    def name(self) -> str:
        """The display name, "" if there is none."""
        return self.address.name

    @property
    def behind(self) -> bool:
        """Is it a person behind the From address, named by a header field that proves nothing?"""
        return self.found_by in {FoundBy.REPLY_TO, FoundBy.ORIGINAL_FROM}


def requester_of(message: Message, mailbox: MailboxIdentity, routes: tuple[Route, ...]) -> Requester:
    """Given a mail, the mailbox that it was read from and the routes concerned, return who asks. It is somebody other
    than From only if all of the routes say the same.
    """
    requesters = [_behind(message, mailbox, route) for route in routes]
    direct = Requester(message.sender)
    return requesters[0] or direct if all(requester == requesters[0] for requester in requesters) else direct


def assess_requester(
    message: Message, mailbox: MailboxIdentity, routes: tuple[Route, ...], facts: Facts
) -> tuple[Requester, Sender]:
    """As `requester_of`, and return with it the sender on whose behalf the mail is handled, and how far all of the
    routes trust it.

    A person behind From acts as no user, whatever the mail server says of From. If From is proven to be a Redmine
    user, it asks itself, unless it is listed or our own; then the mail is admitted where only users are.
    """
    requester, direct = requester_of(message, mailbox, routes), assess(message, routes, facts)
    if not requester.behind or (direct.user is not None and not requester.listed and not requester.own):
        return Requester(message.sender), direct
    claimed = facts.users.get(requester.address.key)
    return requester, Sender(
        requester.address,
        claimed=claimed,
        forged=direct.forged,
        through=message.sender,
        through_proven=direct.proven,
        admitted=direct.user is not None,
    )


def _behind(message: Message, mailbox: MailboxIdentity, route: Route) -> Requester | None:
    """The person behind the From address by the settings of one route; None if From asks."""
    named, senders = _named(message, mailbox), route.senders
    if senders.reply_to == "never" or named is None or not message.sender.domain or len(message.from_all) > 1:
        return None
    listed = first_fitting(senders.forms, message)
    if listed is not None:
        return Requester(*named, f"From fits {listed} in senders.forms", listed=True)
    own = mailbox.ours(message.sender.address) or message.sender.key in mailbox.redmine_addresses
    why = _why_behind(message, route, own=own)
    return Requester(*named, why, own=own) if why else None


def _why_behind(message: Message, route: Route, *, own: bool) -> str | None:
    """Why a From address that is not listed sends other people's mail; None if it does not.

    Where `failed_authentication` keeps forged mail out, it cannot be bypassed with a From of one's own domain and
    somebody else's Reply-To: then only a From that is proven to be our own counts.
    """
    strict = route.senders.failed_authentication != "stranger"
    if message.authenticity.verdict == "failed":
        return None
    if own:
        return "From is one of our own addresses" if not strict or believed(message, route) else None
    return None if strict or route.senders.reply_to == "forms" else _sends_for_others(message)


def _sends_for_others(message: Message) -> str | None:
    """Why the From address is one that sends what others wrote; None if nothing shows that."""
    sender = message.sender
    if takes_no_reply(sender):
        return "From is an address that takes no replies"
    if _FORM.fullmatch(sender.local.lower()[:100]):
        return "From is the address of a form or a shop"
    return "From is the address of a mailing list" if _is_list(message) else None


def _is_list(message: Message) -> bool:
    """Is From the address of the list through which the mail came, as lists write it under DMARC? Source: RFC 2369
    section 3.4 (List-Post), RFC 2919 section 3 (List-Id).
    """
    key = message.sender.key
    posts = {address.lower() for address in _ANGLED.findall(message.header("list-post")[:2000])}
    list_id = message.header("list-id")[:1000].rpartition("<")[2].rstrip("> ").lower()
    return key in posts or list_id == key.replace("@", ".")


def _named(message: Message, mailbox: MailboxIdentity) -> tuple[Address, FoundBy] | None:
    """The first person other than From whom X-Original-From or Reply-To names, and by which of them; None if neither
    names one.
    """
    own = message.sender.key
    for found_by, people in ((FoundBy.ORIGINAL_FROM, message.original_from), (FoundBy.REPLY_TO, message.reply_to)):
        for person in people[:MOST_NAMED]:
            if person.key != own and is_person(person, mailbox):
                return person, found_by
    return None


def is_person(address: Address, mailbox: MailboxIdentity) -> bool:
    """May this be the address of somebody who asks: neither our own nor Redmine's, and read by somebody?"""
    read = not takes_no_reply(address) and address.local.lower() != BOUNCES
    return bool(address.local) and is_others(address, mailbox) and read


def is_others(address: Address, mailbox: MailboxIdentity) -> bool:
    """Is this an address, and neither our own nor Redmine's?"""
    ways = ways_to_write(address.address)
    foreign = mailbox.redmine_addresses.isdisjoint(ways) and not any(map(mailbox.ours, ways))
    return bool(address.domain) and foreign

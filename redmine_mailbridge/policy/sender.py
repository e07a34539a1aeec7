"""The sender: a Redmine user that the message may act as, an unproven claim, or a stranger."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import replace

from redmine_mailbridge.model.facts import Facts, User
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.model.plan import Action, NewUser
from redmine_mailbridge.model.sender_list import SenderListing
from redmine_mailbridge.policy.patterns import address_fits, first_blocking, first_fitting, sender_fits
from redmine_mailbridge.policy.sender_list import listed
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.settings.senders import DomainRule
from redmine_mailbridge.util.dataclass import dataclass

CLOCKS_DIFFER = dt.timedelta(minutes=1)
_NOT_LOGIN = re.compile(r"[^a-z0-9_\-@.]")
_NOT_NAME = re.compile(r"[<>\"\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender, as far as proven.

    `user` is the active Redmine user that the mail may act as. `claimed` is the user with the sender's address while
    nothing proves it. `proven` says that the route's trust believes the From address, a user's or not; `forged`
    that the mail server says it is false.

    If the mail is somebody's behind the From address (policy/requester.py), `address` is that person's, who is never
    proven, and `through` the From address; `through_proven` says that the route's trust believes that one, `admitted`
    that it is an active Redmine user's besides. If an agent names the person (policy/vouched.py), `vouched_by` is the
    agent's user.
    """

    address: Address
    user: User | None = None
    claimed: User | None = None
    proven: bool = False
    forged: bool = False
    through: Address | None = None
    through_proven: bool = False
    admitted: bool = False
    vouched_by: User | None = None

    @property
    def ids(self) -> frozenset[int]:
        """The Redmine user with the sender's address, proven or not."""
        return frozenset(user.id for user in (self.user, self.claimed) if user)


@dataclass(frozen=True, slots=True)
class SenderVerdict:
    """A final decision because of the sender, with its reason."""

    action: Action
    reason: str


def assess(message: Message, routes: tuple[Route, ...], facts: Facts) -> Sender:
    """Given a message and the routes concerned, return the sender, and how far all of the routes trust it."""
    owner = facts.users.get(message.sender.key) if message.sender.address else None
    proven = all(believed(message, route) for route in routes)
    forged = message.authenticity.verdict == "failed"
    if owner is not None and owner.status == "active" and proven:
        return Sender(message.sender, user=owner, proven=True)
    return Sender(message.sender, claimed=owner, proven=proven, forged=forged)


def believed(message: Message, route: Route) -> str:
    """Given a message, return why its From address counts as proven under the route's trust; "" if it does not.

    Never with several From addresses, none, or when the mail server says it failed. "authenticated" asks for a
    verdict of passed. "internal" takes also a domain of `internal_domains` without a verdict, if the mark that
    only our own servers set is there (when one is configured). "any" takes the rest too.
    """
    verdict, senders = message.authenticity.verdict, route.senders
    if verdict == "failed" or not message.sender.domain or len(message.from_all) > 1:
        return ""
    if verdict == "passed":
        return "by the mail server"
    if route.issue.trust != "internal":
        return "by that setting" if route.issue.trust == "any" else ""
    marked = senders.internal_mark is None or sender_fits(senders.internal_mark, message)
    if not marked or not any(address_fits(domain, message.sender.address) for domain in senders.internal_domains):
        return ""
    return "by internal_domains" if senders.internal_mark is None else "by internal_domains and internal_mark"


def let_in(message: Message, route: Route, facts: Facts) -> str | None:
    """Given a message, return the line that its sender is blocked but allowed; None if that does not apply."""
    blocking = first_blocking(route.senders.block, message)
    allowing = _allowing(message, route, facts)
    if blocking is None or allowing is None:
        return None
    return f"the sender is blocked by {blocking}, but allowed by {allowing}"


def about_spam(message: Message, sender: Sender, routes: tuple[Route, ...], facts: Facts) -> str | None:
    """Given a message, return the line about what its server says of spam, as far as that decides nothing; None if
    there is nothing to say.
    """
    if message.spam.doubted and any(route.senders.spam != "accept" for route in routes):
        return f"{message.spam.doubted} is ignored, since any sender can add it there"
    if not message.spam.spam:
        return None
    if all(route.senders.spam == "accept" for route in routes):
        return f"it is spam according to {message.spam.rule}: accepted, and not acknowledged"
    allowed = all(_passes_filter(message, sender, route, facts) for route in routes)
    return f"it is spam according to {message.spam.rule}, but its sender is allowed and proven" if allowed else None


def _allowing(message: Message, route: Route, facts: Facts) -> str | None:
    """What allows the sender: a person's entry, else one of the settings; None where a person has blocked the sender,
    or nothing does.
    """
    entry = listed(message.sender.address, facts.listed_senders)
    if entry is not None:
        return str(entry) if entry.listing is SenderListing.ALLOW else None
    return first_fitting(route.senders.allow, message)


def _blocking(message: Message, route: Route, facts: Facts) -> str | None:
    """What blocks the sender, likewise; None where he is allowed."""
    entry = listed(message.sender.address, facts.listed_senders)
    if entry is not None:
        return str(entry) if entry.listing is SenderListing.BLOCK else None
    if first_fitting(route.senders.allow, message) is not None:
        return None
    return first_blocking(route.senders.block, message)


def turned_away(message: Message, sender: Sender, routes: tuple[Route, ...], facts: Facts) -> SenderVerdict | None:
    """Given a mail and the routes that have a say, return what becomes of it when one of them does not let its sender
    in at all; None if processing continues. Holding it is the mildest outcome.
    """
    verdicts = [verdict for route in routes if (verdict := _turned_away(message, sender, route, facts)) is not None]
    return min(verdicts, key=lambda verdict: verdict.action is Action.HOLD, default=None)


def _turned_away(message: Message, sender: Sender, route: Route, facts: Facts) -> SenderVerdict | None:
    senders = route.senders
    blocking = _blocking(message, route, facts)
    if blocking is None and sender.through is not None:
        blocking = _blocked_besides(sender.address, message, route, facts)
    if blocking is not None:
        return SenderVerdict(Action(senders.blocked), f"the sender is blocked by {blocking}")
    if message.spam.spam and senders.spam != "accept" and not _passes_filter(message, sender, route, facts):
        return SenderVerdict(Action(senders.spam), f"it is spam according to {message.spam.rule}")
    if sender.forged and senders.failed_authentication != "stranger":
        how = message.authenticity.method or "authentication"
        return SenderVerdict(Action(senders.failed_authentication), f"the From address is forged according to {how}")
    locked = sender.claimed is not None and sender.claimed.status == "locked"
    if sender.claimed is not None and locked and senders.locked != "accept":
        return SenderVerdict(Action(senders.locked), f"the Redmine user {sender.claimed.login} is locked")
    return None


def blocked(person: Address, message: Message, routes: tuple[Route, ...], facts: Facts) -> str | None:
    """Given a person for whom somebody else's mail is, and the routes concerned, return what blocks that person in one
    of them; None if nothing does.
    """
    reasons = (_blocked_besides(person, message, route, facts) for route in routes)
    return next((reason for reason in reasons if reason is not None), None)


def _blocked_besides(person: Address, message: Message, route: Route, facts: Facts) -> str | None:
    """Given a mail whose From is let in, return what blocks another person for whom it is: a person's entry, else one
    of the settings that does not fit From.
    """
    behind = replace(message, sender=person)
    blocking = _blocking(behind, route, facts)
    by_hand = listed(person.address, facts.listed_senders) is not None
    return blocking if by_hand or blocking is None or not sender_fits(blocking, message) else None


def _passes_filter(message: Message, sender: Sender, route: Route, facts: Facts) -> bool:
    """Is a spam's sender allowed? Only a proven one: anybody can write an allowed address into From."""
    return (sender.proven or sender.through_proven) and _allowing(message, route, facts) is not None


def unknown_verdict(sender: Sender, route: Route) -> SenderVerdict | None:
    """Given the sender of a potential new issue, return the final decision if the sender is unknown; else None.

    An unproven claim is not ignored silently: with "ignore" it is rejected, so that the message of a real
    user whose mail server proves nothing is found in the failure folder.
    """
    policy = route.issue.unknown_sender
    if sender.user is not None or sender.admitted or policy == "accept":
        return None
    if policy == "create":
        return (
            None
            if sender.address.domain
            else SenderVerdict(Action.REFUSE, "no user can be created for a mail without a sender")
        )
    if sender.claimed is None:
        return SenderVerdict(Action(policy), f"the sender is unknown, and unknown_sender is {policy}")
    if sender.claimed.status != "active":
        who = f"the Redmine user {sender.claimed.login} is {sender.claimed.status}"
    else:
        who = f"nothing proves that the sender is the Redmine user {sender.claimed.login}"
    action = Action.HOLD if policy == "hold" else Action.REFUSE
    return SenderVerdict(action, f"{who}, and unknown_sender is {policy}")


def domain_rule(sender: Sender, route: Route) -> tuple[str, DomainRule] | None:
    """Given a sender, return the domain rule that applies, with the domain; None for a forged one."""
    if sender.forged or not sender.address.domain:
        return None
    rules = {domain.lower().removeprefix("@"): rule for domain, rule in route.senders.domains.items()}
    exact = rules.get(sender.address.domain)
    if exact is not None:
        return sender.address.domain, exact
    fitting = [domain for domain in rules if domain.startswith("*.") and address_fits(domain, sender.address.address)]
    best = max(fitting, key=len, default=None)
    return (best.removeprefix("*."), rules[best]) if best else None


def new_user(sender: Sender, route: Route, facts: Facts) -> NewUser | None:
    """Given an unknown sender, return the Redmine user to create; None if none may or need be created.

    None is made of an address that a user owns already, or that the mail server says is forged, or that a header field
    other than From names, or without an admin's key. The login holds only what Redmine takes (letters, digits, _ - @ .;
    60 characters) and is unique among `facts.logins`.
    """
    if (
        sender.user
        or sender.claimed
        or sender.forged
        or (sender.through and not sender.vouched_by)
        or not sender.address.domain
        or not facts.can_impersonate
    ):
        return None
    if sender.address.key in facts.taken_addresses:
        return None
    create = route.senders.create
    firstname, lastname = person_name(sender.address)
    return NewUser(
        login=_free_login(login_for(sender.address, create.login), facts),
        firstname=firstname,
        lastname=lastname,
        mail=sender.address.key,
        language=create.language,
        status=create.status,
        send_information=create.notice == "redmine",
        own_notice=create.notice == "own",
    )


def joins(sender: Sender, new: NewUser | None, route: Route, facts: Facts) -> tuple[str, ...]:
    """Given the sender, and the user to be made if any, return the groups that the user joins: that of its domain,
    and what new users join.

    A user that is newer than the message was created for it, by a try that crashed before the groups.
    """
    if not facts.can_impersonate or (new is None and sender.user is None):
        return ()
    matching = domain_rule(sender, route)
    group = (matching[1].group,) if matching and matching[1].group else ()
    created_on = sender.user.created_on if sender.user else None
    young = created_on is not None and facts.kept_at is not None and created_on > facts.kept_at - CLOCKS_DIFFER
    fresh = new is not None or (young and route.issue.unknown_sender == "create")
    return tuple(dict.fromkeys((route.senders.create.groups if fresh else ()) + group))


def login_for(address: Address, kind: str) -> str:
    """Given an address and "local" or "address", return a login that Redmine takes: `+` and the like become `_`."""
    name = address.key if kind == "address" else address.local.lower()
    return _NOT_LOGIN.sub("_", name)[:60] or "user"


def numbered(login: str) -> Iterator[str]:
    """Given a login, yield it, and alternatives if it is taken: the same with a number appended."""
    yield login
    yield from (f"{login[:55]}-{number}" for number in range(2, 10_000))


def _free_login(proposed: str, facts: Facts) -> str:
    """Given a proposed login, return it, or with a number appended if it exists."""
    taken = facts.logins.keys() | {user.login.lower() for user in facts.users.values()}
    return next(login for login in numbered(proposed) if login not in taken)


def person_name(address: Address) -> tuple[str, str]:
    """Given an address, return first and last name (each at most 30 characters, as in Redmine), never empty.

    "Last, First" is turned round. Without a display name the local part serves; a missing last name is "-".
    """
    name = " ".join(_NOT_NAME.sub(" ", address.name[:300]).split())
    if not name or "@" in name:
        name = " ".join(address.local.replace(".", " ").split()) or "-"
    last, comma, first = name.partition(", ")
    if not comma:
        first, _, last = name.partition(" ")
    return first[:30].strip() or "-", last[:30].strip() or "-"

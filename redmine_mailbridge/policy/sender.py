"""Who wrote: a Redmine user that the mail may act as, a claim that nothing proves, or a stranger."""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.model.plan import Action, Facts, NewUser, User
from redmine_mailbridge.policy.patterns import address_fits, sender_fits
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.settings.senders import DomainRule

CLOCKS_DIFFER = dt.timedelta(minutes=1)
_NOT_LOGIN = re.compile(r"[^a-z0-9_\-@.]")
_NOT_NAME = re.compile(r"[<>\"\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, as far as it can be believed.

    `user` is the active Redmine user that the mail may act as. `claimed` is the user whose address it bears while
    nothing proves it. `proven` says that the route's trust believes the From address, a user's or not; `forged`
    that the mail server says it is false.
    """

    address: Address
    user: User | None = None
    claimed: User | None = None
    proven: bool = False
    forged: bool = False

    @property
    def ids(self) -> frozenset[int]:
        """The Redmine user whose address it is, believed or not."""
        return frozenset(user.id for user in (self.user, self.claimed) if user)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision about the sender that ends the matter, with its reason."""

    action: Action
    reason: str


def assess(message: Message, routes: tuple[Route, ...], facts: Facts) -> Sender:
    """Given a mail and the routes that have a say, return who wrote it, and how far all of them believe it."""
    owner = facts.users.get(message.sender.key) if message.sender.address else None
    proven = all(believed(message, route) for route in routes)
    forged = message.authenticity.verdict == "failed"
    if owner is not None and owner.status == "active" and proven:
        return Sender(message.sender, user=owner, proven=True)
    return Sender(message.sender, claimed=owner, proven=proven, forged=forged)


def believed(message: Message, route: Route) -> str:
    """Given a mail, return why its From address counts as proven under the route's trust; "" when it does not.

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
        return 'by trust "any"' if route.issue.trust == "any" else ""
    marked = senders.internal_mark is None or sender_fits(senders.internal_mark, message)
    if not marked or not any(address_fits(domain, message.sender.address) for domain in senders.internal_domains):
        return ""
    return "by internal_domains" if senders.internal_mark is None else "by internal_domains and internal_mark"


def let_in(message: Message, route: Route) -> str | None:
    """Given a mail, return the line that says that its sender is blocked and yet allowed; None when it is not so."""
    senders = route.senders
    blocking = next((pattern for pattern in senders.block if sender_fits(pattern, message)), None)
    allowing = next((pattern for pattern in senders.allow if sender_fits(pattern, message)), None)
    if blocking is None or allowing is None:
        return None
    return f"the sender is blocked by {blocking}, but allowed by {allowing}"


def turned_away(message: Message, sender: Sender, routes: tuple[Route, ...]) -> Verdict | None:
    """Given a mail and the routes that have a say, return what becomes of it when one of them does not let its sender
    in at all; None when it goes on. Holding it is the mildest that may become of it.
    """
    verdicts = [verdict for route in routes if (verdict := _turned_away(message, sender, route)) is not None]
    return min(verdicts, key=lambda verdict: verdict.action is Action.HOLD, default=None)


def _turned_away(message: Message, sender: Sender, route: Route) -> Verdict | None:
    senders = route.senders
    allowed = any(sender_fits(pattern, message) for pattern in senders.allow)
    blocking = next((pattern for pattern in senders.block if sender_fits(pattern, message)), None)
    if blocking is not None and not allowed:
        return Verdict(Action(senders.blocked), f"the sender is blocked by {blocking}")
    if sender.forged and senders.failed_authentication != "stranger":
        how = message.authenticity.method or "authentication"
        return Verdict(Action(senders.failed_authentication), f"the From address is forged, says {how}")
    locked = sender.claimed is not None and sender.claimed.status == "locked"
    if sender.claimed is not None and locked and senders.locked != "accept":
        return Verdict(Action(senders.locked), f"the Redmine user {sender.claimed.login} is locked")
    return None


def unknown_verdict(sender: Sender, route: Route) -> Verdict | None:
    """Given the sender of what would be a new issue, return what ends it when the sender is unknown; else None.

    A claim that nothing proves is not ignored silently: with "ignore" it is refused, so that the mail of a real
    user whose mail server proves nothing is found in the failure folder.
    """
    policy = route.issue.unknown_sender
    if sender.user is not None or policy == "accept":
        return None
    if policy == "create":
        return None if sender.address.domain else Verdict(Action.REFUSE, "no user can be made of a mail without sender")
    if sender.claimed is None:
        return Verdict(Action(policy), f"the sender is unknown, and unknown_sender is {policy}")
    if sender.claimed.status != "active":
        who = f"the Redmine user {sender.claimed.login} is {sender.claimed.status}"
    else:
        who = f"nothing proves that the sender is the Redmine user {sender.claimed.login}"
    action = Action.HOLD if policy == "hold" else Action.REFUSE
    return Verdict(action, f"{who}, and unknown_sender is {policy}")


def domain_rule(sender: Sender, route: Route) -> tuple[str, DomainRule] | None:
    """Given a sender, return the domain rule that holds, with the domain; None for a forged one."""
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
    """Given an unknown sender, return the Redmine user to be made; None when none may or need be made.

    None is made of an address that a user owns already, or that the mail server says is forged, or without an
    admin's key. The login holds only what Redmine takes (letters, digits, _ - @ .; 60 characters) and is unique
    among `facts.logins`.
    """
    if sender.user or sender.claimed or sender.forged or not sender.address.domain or not facts.can_impersonate:
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

    A user that is younger than the mail was made for it, by a try that a crash ended before the groups.
    """
    if not facts.can_impersonate or (new is None and sender.user is None):
        return ()
    found = domain_rule(sender, route)
    group = (found[1].group,) if found and found[1].group else ()
    made = sender.user.created_on if sender.user else None
    young = made is not None and facts.kept_at is not None and made > facts.kept_at - CLOCKS_DIFFER
    fresh = new is not None or (young and route.issue.unknown_sender == "create")
    return tuple(dict.fromkeys((route.senders.create.groups if fresh else ()) + group))


def login_for(address: Address, kind: str) -> str:
    """Given an address and "local" or "address", return a login that Redmine takes: `+` and the like become `_`."""
    wanted = address.key if kind == "address" else address.local.lower()
    return _NOT_LOGIN.sub("_", wanted)[:60] or "user"


def numbered(login: str) -> Iterator[str]:
    """Given a login, yield it, and what stands for it where it is taken: the same with a number behind."""
    yield login
    yield from (f"{login[:55]}-{number}" for number in range(2, 10_000))


def _free_login(wanted: str, facts: Facts) -> str:
    """Given a login, return it, or with a number behind it when it is taken."""
    taken = facts.logins.keys() | {user.login.lower() for user in facts.users.values()}
    return next(login for login in numbered(wanted) if login not in taken)


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

"""The facts needed to decide about a message. Kept small: a plain message from a known sender only needs
that sender and the project, both of which are cached.
"""

from redmine_mailbridge.model.facts import FactRequest
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.model.trace import Trace
from redmine_mailbridge.policy.field_names import LANGUAGES
from redmine_mailbridge.policy.issue_fields import ROUND_ROBIN
from redmine_mailbridge.policy.keywords import find_keywords
from redmine_mailbridge.policy.own_addresses import MailboxIdentity, responsible, subaddress
from redmine_mailbridge.policy.own_mail import own_mail
from redmine_mailbridge.policy.references import redmines_issue, redmines_own, referenced, subject_tags
from redmine_mailbridge.policy.requester import Requester, requester_of
from redmine_mailbridge.policy.rules import apply_rules
from redmine_mailbridge.policy.sender import login_for
from redmine_mailbridge.policy.strictest import different
from redmine_mailbridge.policy.vouched import candidate
from redmine_mailbridge.settings.issue import KEYWORDS, Route
from redmine_mailbridge.settings.rules import Rule

MAX_ISSUES = 50
MAX_ADDRESSES = 100


def requested_facts(message: Message, route: Route, mailbox: MailboxIdentity) -> FactRequest:
    """Given a message and its mailbox, return all facts that `decide` may need."""
    if own_mail(message, mailbox):
        return FactRequest(message.sender.key)
    read_from, (_, route) = route, responsible(message, mailbox, route)
    requester = requester_of(message, mailbox, different((route, read_from))).address
    passed_on = candidate(message, mailbox, route)
    people = (message.sender, requester)
    served = people + ((passed_on.address,) if passed_on else ())
    keywords = _keywords(message, route)
    matched = apply_rules(message, route, Trace()).rules
    ids = referenced(message)
    settings = route.issue
    return FactRequest(
        sender=message.sender.key,
        message_ids=ids,
        issues=_issues(message, route, mailbox, ids, keywords),
        journals=(own[1:],) if (own := redmines_own(ids)) and own[0] == "journal" else (),
        projects=_projects(message, route, mailbox, keywords=keywords, matched=matched, people=people),
        issue_projects=bool(settings.overrides),
        addresses=_addresses(message, route, mailbox, keywords=keywords, matched=matched, requester=requester)
        + ((passed_on.address.key,) if passed_on else ()),
        logins=_logins(served, route),
        groups=_groups(route, matched, served),
        same_subject=settings.bundle_window.total_seconds() > 0,
        anyone=settings.unknown_sender == "create",
        followed=settings.follow_closed,
        agents=_agents(message, route, mailbox, passed_on),
    )


def _agents(message: Message, route: Route, mailbox: MailboxIdentity, passed_on: Requester | None) -> tuple[str, ...]:
    """The addresses that may be agents': those of a mail that passes a customer on, and of a reply if agents' replies
    are not like any other in this mailbox, or in one that may have created the issue.
    """
    routes = (route, *mailbox.routes.values())
    replying = any(each.issue.agent_replies != "note" for each in routes)
    sender = (message.sender.key,) if passed_on or (replying and message.sender.domain) else ()
    return sender + ((passed_on.address.key,) if passed_on else ())


def _keywords(message: Message, route: Route) -> dict[str, str]:
    """The keyword lines in any known language, since the sender's is not known yet."""
    allowed = route.issue.overrides | {"project"}
    text = message.body.written or message.body.whole
    lines = dict(find_keywords(text, allowed, LANGUAGES, ()).values)
    return {key: value for key, value in lines.items() if key in KEYWORDS}


def _issues(
    message: Message, route: Route, mailbox: MailboxIdentity, ids: tuple[str, ...], keywords: dict[str, str]
) -> tuple[int, ...]:
    """The issues that the message names by one of the bridge's ids, a marker, one of Redmine's ids, a tag; and
    parents."""
    numbers: list[int] = []
    if mailbox.signer is not None:
        numbers += [signed.issue for signed in filter(None, map(mailbox.signer.read, ids))]
        for text in (message.body.written, message.body.quoted, message.body.whole):
            numbers += mailbox.signer.markers_in(text)
    if (redmines := redmines_issue(ids)) is not None:
        numbers.append(redmines[0])
    numbers += [number for number, _ in subject_tags(message.subject)]
    numbers += [parent for parent in (route.issue.parent, *(rule.parent for rule in route.rules)) if parent]
    named = keywords.get("parent_issue", "").removeprefix("#")
    if named.isdecimal() and len(named) < 11:
        numbers.append(int(named))
    return tuple(dict.fromkeys(number for number in numbers if number > 0))[:MAX_ISSUES]


def _projects(
    message: Message,
    route: Route,
    mailbox: MailboxIdentity,
    *,
    keywords: dict[str, str],
    matched: tuple[Rule, ...],
    people: tuple[Address, ...],
) -> tuple[str, ...]:
    """The projects that the issue may go to."""
    names: list[str | None] = []
    if route.issue.project_from_subaddress:
        everybody = [address.address for address in message.recipients] + list(message.recipients_of_record)
        names += [subaddress(address) for address in everybody if mailbox.ours(address)]
    names.append(keywords.get("project"))
    names += [rule.project for rule in matched]
    names += [rule.project for domain, rule in route.senders.domains.items() if _of_domain(domain, people)]
    names.append(route.issue.project)
    return tuple(dict.fromkeys(name.lower()[:100] for name in names if name))


def _of_domain(domain: str, people: tuple[Address, ...]) -> bool:
    return any(person.domain.endswith(domain.lower().lstrip("*@.")) for person in people)


def _addresses(
    message: Message,
    route: Route,
    mailbox: MailboxIdentity,
    *,
    keywords: dict[str, str],
    matched: tuple[Rule, ...],
    requester: Address,
) -> tuple[str, ...]:
    """The addresses that may be users': the requester's, To and Cc for watchers, and those that name an assignee or a
    watcher.
    """
    addresses: list[str] = [requester.key] if requester.domain else []
    if route.issue.watchers_from_mail:
        addresses += [address.key for address in message.to + message.cc if not mailbox.ours(address.address)]
    assignees = [keywords.get("assigned_to"), route.issue.assignee, *(rule.assignee for rule in matched)]
    watching = [name for rule in matched for name in rule.watchers]
    addresses += [name.lower() for name in (*assignees, *watching) if name and "@" in name]
    return tuple(dict.fromkeys(address for address in addresses if address != message.sender.key))[:MAX_ADDRESSES]


def _logins(people: tuple[Address, ...], route: Route) -> tuple[str, ...]:
    """The logins that may already exist, or that rules name."""
    logins = [name for rule in route.rules for name in rule.watchers if "@" not in name]
    if route.senders.ticket_user:
        logins.append(route.senders.ticket_user)
    if route.issue.unknown_sender == "create":
        logins += [login_for(person, route.senders.create.login) for person in people if person.domain]
    return tuple(dict.fromkeys(name.lower() for name in logins))


def _groups(route: Route, matched: tuple[Rule, ...], people: tuple[Address, ...]) -> tuple[str, ...]:
    """The groups whose members take turns."""
    domains = [rule.assignee for domain, rule in route.senders.domains.items() if _of_domain(domain, people)]
    names = [route.issue.assignee, *(rule.assignee for rule in matched), *domains]
    turns = [name[len(ROUND_ROBIN) :].strip() for name in names if name and name.lower().startswith(ROUND_ROBIN)]
    return tuple(dict.fromkeys(name.lower() for name in turns))

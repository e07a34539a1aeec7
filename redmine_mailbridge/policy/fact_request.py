"""What must be known before a mail can be decided about. Asks for little: a plain mail of a known sender for nothing
but that sender and the project, both of which the directory has at hand.
"""

from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Needs
from redmine_mailbridge.model.trace import Steps
from redmine_mailbridge.policy.field_names import LANGUAGES
from redmine_mailbridge.policy.issue_fields import ROUND_ROBIN
from redmine_mailbridge.policy.issue_match import redmines_issue, redmines_own, referenced, subject_tags
from redmine_mailbridge.policy.keywords import find_keywords
from redmine_mailbridge.policy.own_addresses import MailboxIdentity, responsible, subaddress
from redmine_mailbridge.policy.own_mail import own_mail
from redmine_mailbridge.policy.rules import apply_rules
from redmine_mailbridge.policy.sender import login_for
from redmine_mailbridge.settings.issue import KEYWORDS, Route
from redmine_mailbridge.settings.rules import Rule

MAX_ISSUES = 50
MAX_ADDRESSES = 100


def needs(message: Message, route: Route, mailbox: MailboxIdentity) -> Needs:
    """Given a mail and where it was read, return all that `decide` may want to know."""
    if own_mail(message, mailbox):
        return Needs(message.sender.key)
    _, route = responsible(message, mailbox, route)
    keywords = _keywords(message, route)
    matched = apply_rules(message, route, Steps()).rules
    ids = referenced(message)
    settings = route.issue
    return Needs(
        sender=message.sender.key,
        message_ids=ids,
        issues=_issues(message, route, mailbox, ids, keywords),
        journals=(own[1:],) if (own := redmines_own(ids)) and own[0] == "journal" else (),
        language=bool(settings.overrides) or settings.project is None,
        projects=_projects(message, route, mailbox, keywords=keywords, matched=matched),
        issue_projects=bool(settings.overrides),
        addresses=_addresses(message, route, mailbox, keywords=keywords, matched=matched),
        logins=_logins(message, route),
        groups=_groups(message, route, matched),
        same_subject=settings.bundle_window.total_seconds() > 0,
        anyone=settings.unknown_sender == "create",
    )


def _keywords(message: Message, route: Route) -> dict[str, str]:
    """The keyword lines in any language that is known here, since the sender's is not known yet."""
    allowed = route.issue.overrides | {"project"}
    text = message.body.written or message.body.whole
    found = dict(find_keywords(text, allowed, LANGUAGES, ()).values)
    return {key: value for key, value in found.items() if key in KEYWORDS}


def _issues(
    message: Message, route: Route, mailbox: MailboxIdentity, ids: tuple[str, ...], keywords: dict[str, str]
) -> tuple[int, ...]:
    """The issues that the mail names by one of our ids, a marker, one of Redmine's ids, a tag; and the parents."""
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
    message: Message, route: Route, mailbox: MailboxIdentity, *, keywords: dict[str, str], matched: tuple[Rule, ...]
) -> tuple[str, ...]:
    """The projects that the issue may go to."""
    names: list[str | None] = []
    if route.issue.project_from_subaddress:
        everybody = [address.address for address in message.recipients] + list(message.recipients_of_record)
        names += [subaddress(address) for address in everybody if mailbox.ours(address)]
    names.append(keywords.get("project"))
    names += [rule.project for rule in matched]
    names += [rule.project for domain, rule in route.senders.domains.items() if _of_domain(domain, message)]
    names.append(route.issue.project)
    return tuple(dict.fromkeys(name.lower()[:100] for name in names if name))


def _of_domain(domain: str, message: Message) -> bool:
    return message.sender.domain.endswith(domain.lower().lstrip("*@."))


def _addresses(
    message: Message, route: Route, mailbox: MailboxIdentity, *, keywords: dict[str, str], matched: tuple[Rule, ...]
) -> tuple[str, ...]:
    """The addresses that may be users': To and Cc for watchers, and those that name an assignee or a watcher."""
    found: list[str] = []
    if route.issue.watchers_from_mail:
        found += [address.key for address in message.to + message.cc if not mailbox.ours(address.address)]
    assignees = [keywords.get("assigned_to"), route.issue.assignee, *(rule.assignee for rule in matched)]
    watching = [name for rule in matched for name in rule.watchers]
    found += [name.lower() for name in (*assignees, *watching) if name and "@" in name]
    return tuple(dict.fromkeys(address for address in found if address != message.sender.key))[:MAX_ADDRESSES]


def _logins(message: Message, route: Route) -> tuple[str, ...]:
    """The logins that may be taken already, or that rules name."""
    found = [name for rule in route.rules for name in rule.watchers if "@" not in name]
    if route.senders.ticket_user:
        found.append(route.senders.ticket_user)
    if route.issue.unknown_sender == "create" and message.sender.domain:
        found.append(login_for(message.sender, route.senders.create.login))
    return tuple(dict.fromkeys(name.lower() for name in found))


def _groups(message: Message, route: Route, matched: tuple[Rule, ...]) -> tuple[str, ...]:
    """The groups whose members take turns."""
    domains = [rule.assignee for domain, rule in route.senders.domains.items() if _of_domain(domain, message)]
    names = [route.issue.assignee, *(rule.assignee for rule in matched), *domains]
    turns = [name[len(ROUND_ROBIN) :].strip() for name in names if name and name.lower().startswith(ROUND_ROBIN)]
    return tuple(dict.fromkeys(name.lower() for name in turns))

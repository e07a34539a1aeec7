"""Mail that no person wrote: our own, Redmine's, and the answers of machines."""

from redmine_mailbridge.model.mail import AutomaticKind, Message
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.policy.requester import Requester, is_others
from redmine_mailbridge.settings.issue import Route

REPLYING_MACHINES = frozenset({AutomaticKind.AUTO_REPLY, AutomaticKind.BOUNCE})
AUTO_FORWARDED = ("x-autoforward", "x-autoforwarded", "autoforwarded", "x-ms-exchange-organization-autoforwarded")
"""Header fields by which programs say that a rule has forwarded a mail."""


def own_mail(message: Message, mailbox: MailboxIdentity) -> str | None:
    """Given a message, return why it is from the bridge or Redmine, so that it must create nothing; None if it is
    not."""
    if message.automatic.kind is AutomaticKind.OWN:
        return f"this is our own mail ({message.automatic.rule or 'known by its headers'})"
    if message.sender.key in mailbox.redmine_addresses and not _on_behalf(message, mailbox):
        return "the sender is the address that Redmine itself sends from"
    return None


def _on_behalf(message: Message, mailbox: MailboxIdentity) -> bool:
    """Does Reply-To name somebody else, as the mail of a form or of a group does that is sent from our address?"""
    return any(is_others(address, mailbox) for address in (*message.original_from, *message.reply_to))


def unwanted_machine(message: Message, route: Route) -> str | None:
    """Given a mail that belongs to no issue, return why a machine's mail makes none; None when it may make one."""
    kind = message.automatic.kind
    if kind is None or kind is AutomaticKind.LIST or kind is AutomaticKind.NOTIFICATION or route.accept_automatic:
        return None
    return f"{described(message)}, and accept_automatic is off"


def described(message: Message) -> str:
    """Given an automatic message, return its kind and the rule that matched, as words."""
    kind, rule = message.automatic.kind, message.automatic.rule
    names = {AutomaticKind.AUTO_REPLY: "an automatic reply", AutomaticKind.BOUNCE: "a delivery report"}
    name = names.get(kind, f"a {kind.value}") if kind else "a person's mail"
    return f"it is {name} ({rule})" if rule else f"it is {name}"


def earns_answer(message: Message, mailbox: MailboxIdentity, requester: Requester) -> bool:
    """May an auto-reply be sent? Only to people, never to a list, a machine, a null sender (RFC 3834 section 2), the
    bridge, or the sender of spam, whose address is somebody else's as a rule. The person behind a form, a no-reply
    address or our own group is a person.
    """
    kind = message.automatic.kind
    if message.spam.spam:
        return False
    if not requester.behind:
        person = kind is None and message.automatic.answerable and bool(message.sender.domain)
        return person and not mailbox.ours(message.sender.address)
    if requester.listed:
        return kind not in REPLYING_MACHINES
    if kind is AutomaticKind.LIST:
        return requester.own
    return kind is None and (message.automatic.answerable or message.automatic.unanswerable_from)


def sent_by_machine(message: Message) -> bool:
    """May a machine have sent it, such as a rule that forwards all mail?"""
    if message.automatic.kind is not None or message.spam.spam:
        return True
    if any(message.header(name).strip().lower() not in {"", "no", "false"} for name in AUTO_FORWARDED):
        return True
    looped, source = message.header("x-ms-exchange-inbox-rules-loop"), "x-ms-exchange-generated-message-source"
    return message.sender.key in looped.lower() or "rule" in message.header(source).lower()

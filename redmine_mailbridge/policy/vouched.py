"""A customer whom an agent passes on: by forwarding the customer's mail, or by writing to the customer with the mailbox
in Cc. Pure.

The customer becomes the requester because the agent vouches for it, and only because of that: the message must be
proven to be the agent's. It must not be sent by a rule in the agent's name, because a rule forwards strangers' mail
unread.
"""

from dataclasses import replace

from redmine_mailbridge.mail.text.forwards import without_forward_prefix
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.policy.context import DecisionContext
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.policy.own_mail import sent_by_machine
from redmine_mailbridge.policy.project import ProjectChoice
from redmine_mailbridge.policy.requester import FoundBy, Requester, is_person
from redmine_mailbridge.policy.sender import Sender, believed, blocked
from redmine_mailbridge.settings.issue import Route


def candidate(message: Message, mailbox: MailboxIdentity, route: Route) -> Requester | None:
    """Given a mail, return the customer whom it passes on if an agent wrote it; None if there is none, if the settings
    do not ask for it, or if the From address is not believed.
    """
    if route.issue.forwarded != "original" or not believed(message, route) or sent_by_machine(message):
        return None
    requester = _passed_on(message, mailbox)
    if requester is None or requester.address.key == message.sender.key or not is_person(requester.address, mailbox):
        return None
    return requester


def customer_named(message: Message) -> tuple[Address, ...]:
    """Given a mail, return the address of the customer whom it passes on if an agent wrote it and its settings ask for
    that; empty if there is none.
    """
    return message.to[:1] if message.forwarded is None else (message.forwarded.sender,)


def _passed_on(message: Message, mailbox: MailboxIdentity) -> Requester | None:
    if message.forwarded is not None:
        return Requester(message.forwarded.sender, FoundBy.FORWARDED)
    if len(message.to) == 1 and any(mailbox.ours(address.address) for address in message.cc):
        return Requester(message.to[0], FoundBy.WRITTEN_TO)
    return None


def passed_on(context: DecisionContext, place: ProjectChoice) -> DecisionContext:
    """Given a mail that becomes an issue, and its project, return the context in which the customer asks whom an agent
    passes on; else the same context.
    """
    requester = candidate(context.message, context.mailbox, context.route)
    user = context.sender.user
    if requester is None or user is None or place.identifier is None:
        return context
    if context.route.issue.check_permissions and place.identifier not in context.facts.may_add_issues:
        return context  # which rejects the agent's message
    agents = context.facts.agents.get(place.identifier, frozenset())
    shown = f"{requester.address.address}, from {requester.found_by.value}"
    if context.sender.address.key not in agents:
        context.steps.add(f"{shown}, is not the requester: {user.login} may not edit issues in {place.identifier}")
        return context
    if requester.address.key in agents:
        context.steps.add(f"{shown}, is not the requester: it is an agent of {place.identifier}")
        return context
    if (why := blocked(requester.address, context.message, context.routes, context.facts)) is not None:
        context.steps.add(f"{shown}, is not the requester: blocked by {why}")
        return context
    context.steps.add(f"{shown}, is the requester: {user.login} vouches for it (issue.forwarded)")
    sender = Sender(
        requester.address,
        claimed=context.facts.users.get(requester.address.key),
        through=context.message.sender,
        through_proven=True,
        admitted=True,
        vouched_by=user,
    )
    return replace(context, message=_as_forwarded(context.message), requester=requester, sender=sender)


def _as_forwarded(message: Message) -> Message:
    """The message as its issue shows it: under the subject of the forwarded mail, and with the text of one that is
    attached.
    """
    forwarded = message.forwarded
    if forwarded is None:
        return message
    subject = without_forward_prefix(message.subject)
    subject = message.subject if subject is None else subject
    if not forwarded.text:
        return replace(message, subject=subject)
    whole = "\n\n".join(filter(None, (message.body.whole, forwarded.text)))
    return replace(message, subject=subject or forwarded.subject, body=replace(message.body, whole=whole))

"""The complete policy: a message, its mailbox's settings and the facts → what will be done, and why.

Pure. The order of `decide` is the policy; each step is a module here. docs/admin/who-may-write.md describes it.
"""

import datetime as dt
from collections.abc import Iterator

from redmine_mailbridge.model.facts import Facts, Issue
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.model.plan import Action, Plan, RejectionReason
from redmine_mailbridge.policy.agent_reply import continues
from redmine_mailbridge.policy.context import DecisionContext
from redmine_mailbridge.policy.follow import follow
from redmine_mailbridge.policy.issue_match import IssueMatch, find_match
from redmine_mailbridge.policy.new_issue import create
from redmine_mailbridge.policy.own_addresses import MailboxIdentity, responsible
from redmine_mailbridge.policy.own_mail import REPLYING_MACHINES, described, own_mail, unwanted_machine
from redmine_mailbridge.policy.references import Strength, answered_other, references
from redmine_mailbridge.policy.reply import note
from redmine_mailbridge.policy.sender import about_spam, believed, let_in, turned_away, unknown_verdict
from redmine_mailbridge.policy.strictest import different
from redmine_mailbridge.settings.issue import Route


def decide(message: Message, route: Route, mailbox: MailboxIdentity, facts: Facts) -> Plan:  # noqa: PLR0911 - the policy
    """Given a message, the route and identity of its mailbox, and the facts for `request`, return the plan."""
    read_from = route
    name, route = responsible(message, mailbox, route)
    context = DecisionContext.of(message, different((route, read_from)), mailbox, facts)
    route = context.route
    if name != mailbox.name:
        context.steps.add(
            f"the first mailbox that it is addressed to is {name}: its settings apply, "
            f"and those of {mailbox.name}, where it was read, if they are stricter"
        )
    if (why := own_mail(message, mailbox)) is not None:
        return context.finish(Action.IGNORE, why)
    for line in _about_sender(context):
        context.steps.add(line)
    if (verdict := turned_away(message, context.sender, context.routes, facts)) is not None:
        return context.finish(verdict.action, verdict.reason)
    if message.automatic.kind in REPLYING_MACHINES and (about := _about(context)) is not None:
        return _machine(context, *about)
    match = follow(context, find_match(context))
    if match.issue is not None and not (again := _starts_again(context, match, match.issue)):
        return note(context.about(match.issue), match)
    if match.denied:
        related = match.related.id if match.related else None
        return context.finish(Action.REFUSE, match.denied, issue=related, rejection_reason=RejectionReason.NOT_ALLOWED)
    if (unwanted := unwanted_machine(message, route)) is not None:
        return context.finish(Action.IGNORE, unwanted)
    if message.automatic.kind in REPLYING_MACHINES:
        context.steps.add(f"{described(message)}, and accept_automatic is on")
    if match.issue is None and not facts.offline and (verdict := unknown_verdict(context.sender, route)) is not None:
        return context.finish(verdict.action, verdict.reason, rejection_reason=RejectionReason.UNKNOWN_SENDER)
    if route.issue.reply_only:
        why = "this mailbox accepts replies only, and this is not a reply to an accessible issue"
        return context.finish(Action.REFUSE, why, rejection_reason=RejectionReason.REPLIES_ONLY)
    return create(context, match, again if match.issue is not None else _elsewhere(context))


def _about_sender(context: DecisionContext) -> Iterator[str]:
    """The lines about the sender: who it is, what is said of spam, and that a blocked one is let in."""
    message, facts = context.message, context.facts
    yield _who(context)
    yield from filter(None, (about_spam(message, context.sender, context.routes, facts),))
    yield from filter(None, (let_in(message, context.route, facts),))


def _who(context: DecisionContext) -> str:
    """One line about the sender, and how far the address is trusted."""
    sender, verdict = context.sender, context.message.authenticity
    shown = sender.address.address or "nobody"
    if sender.through is not None:
        return _who_behind(context, shown, sender.through)
    proof = f"{verdict.verdict}{f' by {verdict.method}' if verdict.method else ''}, trust {context.route.issue.trust}"
    if sender.proven and (how := believed(context.message, context.route)):
        proof = f"{proof}: trusted {how}"
    if context.facts.offline:
        return f"from {shown}; offline, so it is unknown whether that is a Redmine user"
    if sender.user is not None:
        return f"from {shown}, the Redmine user {sender.user.login} (authentication {proof})"
    if sender.claimed is not None and sender.claimed.status != "active":
        return f"from {shown}, the {sender.claimed.status} Redmine user {sender.claimed.login}"
    if sender.claimed is not None:
        return f"from {shown}, who is not proven to be the Redmine user {sender.claimed.login} (authentication {proof})"
    return f"from {shown}, no Redmine user (authentication {proof})"


def _who_behind(context: DecisionContext, shown: str, through: Address) -> str:
    """The same about a person behind the From address."""
    found_by, why, verdict = context.requester.found_by, context.requester.why, context.message.authenticity.verdict
    line = f"from {shown}, named by {found_by} of a mail from {through.address} ({why}; authentication {verdict})"
    claimed = context.sender.claimed
    return line if claimed is None else f"{line}, who is not proven to be the Redmine user {claimed.login}"


def _about(context: DecisionContext) -> tuple[int, bool] | None:
    """Given an auto-reply or a bounce, return the issue it is about, and whether that is certain enough for a note."""
    for reference in references(context.message, context.mailbox, context.facts, proven=context.sender.proven):
        if context.facts.offline or reference.issue in context.facts.issues:
            return reference.issue, reference.strength >= Strength.SECRET
    return None


def _machine(context: DecisionContext, issue: int, certain: bool) -> Plan:
    """Given an auto-reply or a bounce about an issue, record it there; it never changes anything."""
    why = f"{described(context.message)}, about #{issue}"
    answered = context.facts.issues.get(issue)
    if (
        context.route.issue.automatic_reply == "private_note"
        and certain
        and answered is not None
        and answered.project_active
    ):
        return note(context, IssueMatch(answered, private=True), why=why, machine=True)
    return context.finish(Action.IGNORE, why, issue=issue)


def _elsewhere(context: DecisionContext) -> str:
    """Why a reply to a notification of Redmine about something else is a new message; "" if it is none."""
    kind = answered_other(context.message)
    return f"it is a reply to Redmine's mail about a {kind}, to which the REST API cannot add replies" if kind else ""


def _starts_again(context: DecisionContext, match: IssueMatch, issue: Issue) -> str:
    """Given the issue that a message may reach, return why it creates a new issue nevertheless; "" if it does not.

    That is a reply to a closed issue, if the route says so, or if it arrives later than reopen_within; not an agent's
    reply that is to reach the requester of that issue, nor what a third party of it writes.
    """
    settings = context.route.issue
    if match.third_party:
        return ""
    if not issue.closed or not context.message.automatic.may_change_status or continues(context, issue):
        return ""
    if settings.closed_reply == "new":
        return f"#{issue.id} is closed"
    late = (
        settings.reopen_within is not None
        and _closed_for(issue, context.facts.kept_at or context.facts.now) > settings.reopen_within
    )
    return f"#{issue.id} is closed for longer than reopen_within" if settings.closed_reply == "reopen" and late else ""


def _closed_for(issue: Issue, now: dt.datetime) -> dt.timedelta:
    return now - issue.closed_on if issue.closed_on is not None else dt.timedelta(0)

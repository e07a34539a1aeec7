"""The whole policy: a mail, the settings of where it was read and what is known → what will be done, and why.

Pure. The order of `decide` is the policy; each station is a module of this package, and docs/policy.md tells it.
"""

import datetime as dt

from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Action, Facts, Issue, Plan, Told
from redmine_mailbridge.policy.context import Case
from redmine_mailbridge.policy.issue_match import Thread, Worth, answered_other, find_thread, signs
from redmine_mailbridge.policy.new_issue import create
from redmine_mailbridge.policy.own_addresses import MailboxIdentity, responsible
from redmine_mailbridge.policy.own_mail import REPLYING_MACHINES, own_mail, said, unwanted_machine
from redmine_mailbridge.policy.reply import note
from redmine_mailbridge.policy.sender import believed, let_in, turned_away, unknown_verdict
from redmine_mailbridge.policy.strictest import different
from redmine_mailbridge.settings.issue import Route


def decide(message: Message, route: Route, mailbox: MailboxIdentity, facts: Facts) -> Plan:  # noqa: PLR0911 - the policy
    """Given a mail, the route and identity of its mailbox, and the answers to `needs`, return what will be done."""
    read_from = route
    name, route = responsible(message, mailbox, route)
    case = Case.of(message, different((route, read_from)), mailbox, facts)
    route = case.route
    if name != mailbox.name:
        case.steps.add(
            f"the first of our mailboxes that it is addressed to is {name}, whose settings hold, "
            f"and no less strict ones than those of {mailbox.name}, where it was read"
        )
    if (why := own_mail(message, mailbox)) is not None:
        return case.end(Action.IGNORE, why)
    case.steps.add(_who(case))
    if (line := let_in(message, route)) is not None:
        case.steps.add(line)
    if (verdict := turned_away(message, case.sender, case.routes)) is not None:
        return case.end(verdict.action, verdict.reason)
    if message.automatic.kind in REPLYING_MACHINES and (about := _about(case)) is not None:
        return _machine(case, *about)
    thread = find_thread(case)
    if thread.issue is not None and not (again := _starts_again(case, thread.issue)):
        return note(case.about(thread.issue), thread)
    if thread.denied:
        related = thread.related.id if thread.related else None
        return case.end(Action.REFUSE, thread.denied, issue=related, told=Told.NOT_ALLOWED)
    if (unwanted := unwanted_machine(message, route)) is not None:
        return case.end(Action.IGNORE, unwanted)
    if message.automatic.kind in REPLYING_MACHINES:
        case.steps.add(f"{said(message)}, and accept_automatic is on")
    if thread.issue is None and not facts.offline and (verdict := unknown_verdict(case.sender, route)) is not None:
        return case.end(verdict.action, verdict.reason, told=Told.UNKNOWN_SENDER)
    if route.issue.reply_only:
        why = "this mailbox takes replies only, and it is not a reply to an issue within reach"
        return case.end(Action.REFUSE, why, told=Told.REPLIES_ONLY)
    return create(case, thread, again if thread.issue is not None else _elsewhere(case))


def _who(case: Case) -> str:
    """One line on who wrote, as far as it is believed."""
    sender, verdict = case.sender, case.message.authenticity
    shown = sender.address.address or "nobody"
    proof = f"{verdict.verdict}{f' by {verdict.method}' if verdict.method else ''}, trust {case.route.issue.trust}"
    if sender.proven and (how := believed(case.message, case.route)):
        proof = f"{proof}: believed {how}"
    if case.facts.offline:
        return f"from {shown}; offline, so nobody knows whether that is a Redmine user"
    if sender.user is not None:
        return f"from {shown}, the Redmine user {sender.user.login} (authentication {proof})"
    if sender.claimed is not None and sender.claimed.status != "active":
        return f"from {shown}, the {sender.claimed.status} Redmine user {sender.claimed.login}"
    if sender.claimed is not None:
        return f"from {shown}, who is not proven to be the Redmine user {sender.claimed.login} (authentication {proof})"
    return f"from {shown}, no Redmine user (authentication {proof})"


def _about(case: Case) -> tuple[int, bool] | None:
    """Given an auto-reply or a bounce, return the issue it is about, and whether that is certain enough for a note."""
    for sign in signs(case.message, case.mailbox, case.facts, proven=case.sender.proven):
        if case.facts.offline or sign.issue in case.facts.issues:
            return sign.issue, sign.worth >= Worth.SECRET
    return None


def _machine(case: Case, issue: int, certain: bool) -> Plan:
    """Given an auto-reply or a bounce about an issue, record it there; it never changes anything."""
    why = f"{said(case.message)}, about #{issue}"
    found = case.facts.issues.get(issue)
    if case.route.issue.automatic_reply == "private_note" and certain and found is not None and found.project_active:
        return note(case, Thread(found, private=True), why=why, machine=True)
    return case.end(Action.IGNORE, why, issue=issue)


def _elsewhere(case: Case) -> str:
    """Why a mail that answers one of Redmine's about something else is a new mail; "" when it answers none."""
    kind = answered_other(case.message)
    return f"it answers Redmine's mail about a {kind}, where the REST API lets nobody write" if kind else ""


def _starts_again(case: Case, issue: Issue) -> str:
    """Given the issue that a mail may reach, return why it makes a new issue nevertheless; "" when it does not.

    That is a reply to a closed issue, when the route says so, or when it comes later than reopen_within.
    """
    settings = case.route.issue
    if not issue.closed or not case.message.automatic.may_change_status:
        return ""
    if settings.closed_reply == "new":
        return f"#{issue.id} is closed"
    late = (
        settings.reopen_within is not None
        and _closed_for(issue, case.facts.kept_at or case.facts.now) > settings.reopen_within
    )
    return f"#{issue.id} is closed for longer than reopen_within" if settings.closed_reply == "reopen" and late else ""


def _closed_for(issue: Issue, now: dt.datetime) -> dt.timedelta:
    return now - issue.closed_on if issue.closed_on is not None else dt.timedelta(0)

"""To which issue does a mail belong? The order of the signs, and how much each is worth, are in docs/dev/threading.md.

A reference is only a hint. Whether the message may reach the issue is checked for the sender afterwards (`reach`).

A third party is whom an agent's note was mailed to (`answers.third_parties`), under any reference to that issue, and
whoever else replies to such a mail: suppliers and the like. What they write does not belong to the conversation with
the customer: it becomes a private note (`issue.third_party_replies`), and by it no one takes part in that conversation.
Whoever else writes in such a thread quotes it, agents and the customer included: that is private in any case.
"""

import re

from redmine_mailbridge.mail.message_ids import THIRD_PARTY, TO_TEAM
from redmine_mailbridge.mail.mime.address_syntax import is_among, spellings
from redmine_mailbridge.model.facts import Issue
from redmine_mailbridge.policy.context import DecisionContext
from redmine_mailbridge.policy.references import (
    MAX_IDS,
    Reference,
    Strength,
    answers_private,
    redmines_own,
    referenced,
    references,
)
from redmine_mailbridge.policy.sender import Sender, turned_away
from redmine_mailbridge.settings.issue import Route
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class IssueMatch:
    """The match: `issue` is what the message may reach, else None; `related` what it refers to but may not reach.

    `as_user`: Redmine lets the sender's own user write there. `denied` is the reason if the sender may
    see the issue but not write, so that the message is rejected. `private`: it answers a private note, so that it
    is private in any case. `unreached`: the issue in which a closed `issue` continues, but to which the sender may not
    write (policy/follow.py). `third_party`: the sender is a third party of the issue.
    """

    issue: Issue | None = None
    how: str = ""
    related: Issue | None = None
    as_user: bool = False
    private: bool = False
    denied: str = ""
    unreached: Issue | None = None
    third_party: bool = False


@dataclass(frozen=True, slots=True)
class ThirdPartyMail:
    """How a message has to do with the third parties of an issue, in words, "" if it does not. `from_them`: one of them
    wrote it; `private`: it must be a private note.
    """

    how: str = ""
    from_them: bool = False
    private: bool = False


def is_third_party(issue: Issue, sender: Sender) -> bool:
    """Is the sender a third party of the issue, according to the address?"""
    return bool(sender.address.key) and is_among(sender.address.key, issue.third_parties)


def in_their_thread(context: DecisionContext) -> bool:
    """Does anything in a message say that it answers, quotes or is mail of third parties?"""
    message, signer = context.message, context.mailbox.signer
    ids = referenced(message)
    if not context.facts.third_party_ids.isdisjoint((message.message_id, *ids)):
        return True
    if signer is None:
        return False
    if any(signed.kind == THIRD_PARTY for signed in filter(None, map(signer.read, ids))):
        return True
    body = message.body
    return signer.quotes_third_party_mail(f"{body.written}\n{body.quoted}\n{body.whole}")


def third_party_mail(context: DecisionContext, issue: Issue) -> ThirdPartyMail:
    """Given a message that may become a note on an issue, return how it has to do with its third parties.

    A user, proven or not, and a participant of the conversation are no third parties just because they write in such a
    thread; whom an agent has named is one, whoever that is.
    """
    about = context.about(issue)
    named, thread = is_third_party(issue, about.sender), in_their_thread(about)
    if not (named or thread):
        return ThirdPartyMail()
    account = about.sender.user is not None or about.sender.claimed is not None
    other = account or is_among(about.sender.address.key, issue.participants)
    if not named and other:
        return ThirdPartyMail("it belongs to a conversation with third parties of the issue", private=True)
    private = about.route.issue.third_party_replies == "private"
    return ThirdPartyMail("its sender is a third party of the issue", from_them=True, private=private)


def private_anywhere(context: DecisionContext, issue: Issue | None) -> bool:
    """Is what a message says private wherever a person files it: it answers a private note, or, in `issue`, our mail to
    the team without being the customer's, or it belongs to a conversation with third parties?
    """
    ids, mailbox = referenced(context.message), context.mailbox
    own = redmines_own(ids)
    known = (
        issue is not None or bool(mailbox.redmine_addresses) or (own is not None and own[1] in context.facts.journals)
    )
    private = known and answers_private(ids, mailbox, context.facts)
    if issue is None:
        return private or in_their_thread(context)
    team = context.sender.user is None and _answers_team(context, issue)
    return private or team or third_party_mail(context, issue).private


def _answers_team(context: DecisionContext, issue: Issue) -> bool:
    """Does a mail answer one of our own that was meant for the team, and does its sender not participate as the
    customer's side does? What such people write is not meant for the customer, to whom public notes may be quoted.
    """
    signer = context.mailbox.signer
    first = next(filter(None, map(signer.read, referenced(context.message))), None) if signer is not None else None
    return first is not None and first.kind in TO_TEAM and context.sender.address.key not in issue.participants


def find_match(context: DecisionContext) -> IssueMatch:
    """Given a message and its sender, return the issue that it may reach, by the first reference that allows it."""
    facts, steps = context.facts, context.steps
    related: Issue | None = None
    private = answers_private(referenced(context.message), context.mailbox, facts)
    denied, apart, tried = "", False, set[Reference]()
    for reference in references(context.message, context.mailbox, facts, proven=context.sender.proven):
        if reference in tried or len(tried) > MAX_IDS:
            continue
        tried.add(reference)
        issue = facts.issues.get(reference.issue)
        if facts.offline:
            steps.add(f"#{reference.issue} by {reference.how}; not verified offline")
            private = private or in_their_thread(context)
            return IssueMatch(issue or Issue(reference.issue, "", ""), reference.how, private=private)
        if issue is None:
            steps.add(f"#{reference.issue} by {reference.how}: no such issue is visible to the bridge")
            continue
        answer = access(context, issue, reference)
        steps.add(f"#{reference.issue} by {reference.how}: {answer.why}")
        if answer.admitted:
            return _matched(context, issue, reference, answer, private=private)
        apart = apart or is_third_party(issue, context.sender)
        related, denied = related or issue, denied or (answer.why if answer.denied else "")
    # an id alone may come from any Redmine, if this one's sender address is unknown
    known = bool(tried) or bool(context.mailbox.redmine_addresses)
    private = (private and known) or apart or in_their_thread(context)
    return IssueMatch(related=related, private=private, denied=denied)


def _matched(
    context: DecisionContext, issue: Issue, reference: Reference, answer: "WriteAccess", *, private: bool
) -> IssueMatch:
    """The match of the issue that a message may reach: private if it must be."""
    team = not answer.as_user and _answers_team(context, issue)
    if team and not private:
        context.steps.add(
            "it answers our mail to the team and its sender is not on the customer's side: the note is private"
        )
    apart = third_party_mail(context, issue)
    if apart.how:
        outcome = "the note is private" if apart.private else "the note is public (third_party_replies)"
        context.steps.add(f"{apart.how}: {outcome}")
    return IssueMatch(
        issue,
        reference.how,
        as_user=answer.as_user and not apart.from_them,
        private=private or team or apart.private,
        third_party=apart.from_them,
    )


@dataclass(frozen=True, slots=True)
class WriteAccess:
    """May the sender write to the issue by this reference? `why` is the phrase for it."""

    admitted: bool
    why: str
    as_user: bool = False
    denied: bool = False


def access(context: DecisionContext, issue: Issue, reference: Reference) -> WriteAccess:
    """Given a message, an issue and a reference to it, return whether the message may become a note on it, by the rules
    of the mailbox that created the issue too.
    """
    about = context.about(issue)
    answer = reach(issue, about.sender, reference, about.route)
    verdict = turned_away(context.message, about.sender, about.routes, context.facts) if answer.admitted else None
    return answer if verdict is None else WriteAccess(False, f"in its mailbox {verdict.reason}")


def reach(issue: Issue, sender: Sender, reference: Reference, route: Route) -> WriteAccess:  # noqa: PLR0911 - a list of rules
    """Given an issue and a reference to it, return whether this sender's message may become a note on it."""
    if not issue.project_active:
        return WriteAccess(False, "its project is closed")
    if sender.forged:
        return WriteAccess(False, "the mail server says that the sender is forged")
    if sender.through is not None:
        return _reach_behind(issue, sender, reference, route)
    part, third_party = takes_part(issue, sender), is_third_party(issue, sender)
    if not (part or third_party) and foreign(reference, issue):
        return WriteAccess(False, f"[{reference.words} #{reference.issue}] is another system's tag")
    if third_party and (issue.public or reference.strength >= Strength.SECRET or sender.proven):
        return WriteAccess(True, "the sender is a third party of the issue")
    if sender.user is not None:
        if not route.issue.check_permissions:
            may = issue.visible_to_sender is not False and issue.noteable_by_sender is not False
            return WriteAccess(True, "the sender is a user, and permissions are not checked", as_user=may)
        if issue.visible_to_sender and issue.noteable_by_sender:
            return WriteAccess(True, "the sender may write there", as_user=True)
        if issue.visible_to_sender and issue.noteable_by_sender is False:
            return WriteAccess(False, f"{sender.user.login} may see it but not add notes", denied=True)
    if part:
        if issue.public or reference.strength >= Strength.SECRET or sender.proven:
            return WriteAccess(True, "the sender is a participant")
        return WriteAccess(False, "it is not public, and the sender is not proven to be a participant")
    return _reach_signed(issue, sender, reference, route) or WriteAccess(False, "the sender is not a participant")


def _reach_behind(issue: Issue, sender: Sender, reference: Reference, route: Route) -> WriteAccess:
    """The same for a person behind the From address. Any mail can name anybody in Reply-To, so that being a participant
    or a Redmine user is not enough.
    """
    why_not = "only a header field names this person, and it is not a reply to mail that we sent to that address"
    return _reach_signed(issue, sender, reference, route) or WriteAccess(False, why_not)


def _reach_signed(issue: Issue, sender: Sender, reference: Reference, route: Route) -> WriteAccess | None:
    """What a reference gives to whoever answers our own signed mail; None if that is nothing."""
    if reference.strength is not Strength.SIGNED:
        return None
    if sender.address.key and not issue.mailed.isdisjoint(spellings(sender.address.key)):
        return WriteAccess(True, "the sender replies to our signed mail, and we have written to this address about it")
    allowed = route.issue.signed_references
    if allowed == "anyone" or (allowed == "public" and issue.public):
        return WriteAccess(True, "the sender replies to our signed mail")
    return None


def takes_part(issue: Issue, sender: Sender) -> bool:
    """Is the sender requester, in Cc of its messages, author, assignee or watcher, according to the address?

    Participation through Redmine ends when Redmine no longer shows the issue to that user.
    """
    if sender.address.key and sender.address.key in issue.participants:
        return True
    holders = issue.watcher_ids | {issue.author_id, issue.assigned_to_id}
    return issue.visible_to_sender is not False and bool(sender.ids & holders)


def foreign(reference: Reference, issue: Issue) -> bool:
    """Is the subject's tag another system's? Redmine's own reads `[Project - Tracker #1]`, people write `[#1]`."""
    if not reference.words or not (issue.project_name or issue.tracker):
        return False
    own = f"{issue.project_name} {issue.tracker} {issue.project}"
    return not (_words(reference.words) & _words(own))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text[:500].casefold()))

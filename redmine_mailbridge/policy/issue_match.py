"""To which issue does a mail belong? The order of the signs, and how much each is worth, are in docs/threads.md.

A sign is only a hint at an issue. Whether the mail may reach it is asked of the sender afterwards (`reach`).
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.model.plan import Facts, Issue
from redmine_mailbridge.policy.context import Case
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.policy.sender import Sender, turned_away
from redmine_mailbridge.settings.issue import Route

_REDMINE_ID = re.compile(r"<?redmine\.([a-z0-9_]{1,40})-([0-9]{1,10})\.([0-9]{1,20})(?:\.[a-f0-9]{1,64})?@")
_HASH_NUMBER = re.compile(r"#([0-9]{1,10})\]")
_FORUM = re.compile(r"\[[^\]\[]{0,500}msg[0-9]{1,10}\]")
_CALLED = {"message": "forum message", "news": "news item"}
MAX_IDS = 200
MAX_SUBJECT = 2000


class Worth(IntEnum):
    """How hard a sign is to come by for somebody who never had our mail."""

    GUESSABLE = 1
    SECRET = 2
    SIGNED = 3


@dataclass(frozen=True, slots=True)
class Sign:
    """A hint that a mail belongs to an issue. `foreign` is a subject tag whose words are not those of the issue."""

    issue: int
    how: str
    worth: Worth
    words: str = ""


@dataclass(frozen=True, slots=True)
class Thread:
    """Where a mail belongs: `issue` is what it may reach, else None; `related` what it speaks of but may not reach.

    `as_user` says that Redmine lets the sender's own user write there. `denied` is the reason when the sender may
    see the issue and yet must not write, so that the mail is refused. `private`: it answers a private note, so that it
    is private whatever it becomes.
    """

    issue: Issue | None = None
    how: str = ""
    related: Issue | None = None
    as_user: bool = False
    private: bool = False
    denied: str = ""


def referenced(message: Message) -> tuple[str, ...]:
    """The Message-IDs that a mail answers, the nearest first, then those it reports on."""
    return tuple(dict.fromkeys((*message.answered, *message.automatic.about)))[:MAX_IDS]


def redmine_id(message_id: str) -> tuple[str, int, str] | None:
    """Given a Message-ID, return class, number and time stamp when Redmine may have made it; None if not."""
    found = _REDMINE_ID.match(message_id[:512])
    return (found[1], int(found[2]), found[3]) if found else None


def answered_other(message: Message) -> str | None:
    """Given a mail that reaches no issue, return what Redmine's mail was about that it answers: news, a message."""
    found = next(filter(None, map(redmine_id, referenced(message))), None)
    if found is None:
        return "forum message" if _FORUM.search(message.subject[:MAX_SUBJECT]) else None
    return None if found[0] in ("issue", "journal") else _CALLED.get(found[0], found[0].replace("_", " "))


def subject_tags(subject: str) -> tuple[tuple[int, str], ...]:
    """Given a subject, return number and preceding words of each `[… #123]` as Redmine reads it, in order.

    Redmine's grammar: `[`, then anything but `]` that ends in white space, or nothing, then `#123]`. Read by hand,
    since that expression backtracks over a subject of brackets and blanks.
    """
    subject, tags = subject[:MAX_SUBJECT], []
    for found in _HASH_NUMBER.finditer(subject):
        hash_at = found.start()
        opened = subject.find("[", subject.rfind("]", 0, hash_at) + 1, hash_at)
        before = subject[hash_at - 1 : hash_at]
        if opened >= 0 and (before.isspace() or before == "["):
            words = subject[opened + 1 : hash_at].rpartition("[")[2]
            tags.append((int(found[1]), " ".join(words.split())))
    return tuple(tags)


def signs(message: Message, mailbox: MailboxIdentity, facts: Facts, *, proven: bool) -> Iterator[Sign]:
    """Given a mail, and whether its sender is proven, yield its signs in the order in which they count."""
    ids = referenced(message)
    if mailbox.signer is not None:
        for signed in filter(None, map(mailbox.signer.read, ids)):
            yield Sign(signed.issue, "the Message-ID of our own mail", Worth.SIGNED)
    for known in filter(None, map(facts.known.get, ids)):
        if known.issue is not None:
            whose = "a mail that we sent" if known.direction == "out" else "an earlier mail"
            yield Sign(known.issue, f"the Message-ID of {whose}", Worth.SECRET)
    yield from _redmine_signs(ids, facts, proven=proven)
    if mailbox.signer is not None:
        text = f"{message.body.written}\n{message.body.quoted}\n{message.body.whole}"
        for issue in dict.fromkeys(mailbox.signer.markers_in(text)):
            yield Sign(issue, "our marker in the quoted text", Worth.SIGNED)
    for issue, words in subject_tags(message.subject):
        yield Sign(issue, "the tag in the subject", Worth.GUESSABLE, words)
    if facts.same_subject_issue is not None:
        yield Sign(facts.same_subject_issue, "the same sender and subject within bundle_window", Worth.GUESSABLE)


def _answers_private(ids: tuple[str, ...], mailbox: MailboxIdentity, facts: Facts) -> bool:
    """Does a mail with these ids answer Redmine's mail about a note that is private, or may have been: that is not
    there for us? A note that is not there is not ours where another Redmine made the id. Offline nobody asked for it.

    What answers a private note stays private whatever else stands in it: Redmine's mail about the note brings the
    issue's text along, with a marker of ours perhaps, and its answer quotes that.
    """
    own = redmines_own(ids)
    if own is None or own[0] != "journal":
        return False
    journal = facts.journals.get(own[1])
    if journal is not None:
        return journal.private
    return not facts.offline and redmines_own(filter(mailbox.may_be_redmines, ids)) == own


def redmines_own(ids: Iterable[str]) -> tuple[str, int, str] | None:
    """Given the ids that a mail answers, return class, number and time stamp of the first of Redmine's about an issue
    or a note. One mail answers one mail: with many of them somebody guesses.
    """
    found = filter(None, map(redmine_id, ids))
    return next((one for one in found if one[0] in {"issue", "journal"}), None)


def redmines_issue(ids: Iterable[str]) -> tuple[int, str] | None:
    """Given the ids that a mail answers, return number and time stamp of the first of Redmine's about an issue:
    its mails about a note name their issue in References.
    """
    found = filter(None, map(redmine_id, ids))
    return next(((number, stamp) for kind, number, stamp in found if kind == "issue"), None)


def _redmine_signs(ids: tuple[str, ...], facts: Facts, *, proven: bool) -> Iterator[Sign]:
    """Given the ids that a mail answers, yield what Redmine's own among them hints at.

    Where the note that it names is not there, or not for us, the issue that Redmine's mail names beside it is the one.

    Such an id is unsigned, but it holds the second in which the issue or note was made: when that is right, a writer
    who is proven has most likely had the mail. From anybody else it is worth no more than a number.
    """
    own = redmines_own(ids)
    if own is None:
        return
    kind, number, stamp = own
    journal = facts.journals.get(number) if kind == "journal" else None
    if journal is not None:
        worth = _worth(journal.created_on, stamp, proven=proven)
        yield Sign(journal.issue, "the Message-ID of Redmine's mail about a note", worth)
    elif (named := redmines_issue(ids)) is not None:
        number, stamp = named
        issue = facts.issues.get(number)
        how = "the Message-ID of Redmine's mail"
        how += ", which answers one about a note that is not there" if kind == "journal" else ""
        yield Sign(number, how, _worth(issue.created_on if issue else None, stamp, proven=proven))


def _worth(made: dt.datetime | None, stamp: str, *, proven: bool) -> Worth:
    right = proven and made is not None and f"{made:%Y%m%d%H%M%S}" == stamp
    return Worth.SECRET if right else Worth.GUESSABLE


def find_thread(case: Case) -> Thread:
    """Given a mail and its sender, return the issue that it may reach, by the first sign that lets it."""
    facts, steps = case.facts, case.steps
    related: Issue | None = None
    private = _answers_private(referenced(case.message), case.mailbox, facts)
    denied, tried = "", set[Sign]()
    for sign in signs(case.message, case.mailbox, facts, proven=case.sender.proven):
        if sign in tried or len(tried) > MAX_IDS:
            continue
        tried.add(sign)
        issue = facts.issues.get(sign.issue)
        if facts.offline:
            steps.add(f"#{sign.issue} by {sign.how}, taken at its word offline")
            return Thread(issue or Issue(sign.issue, "", ""), sign.how, private=private)
        if issue is None:
            steps.add(f"#{sign.issue} by {sign.how}: there is no such issue for us")
            continue
        about = case.about(issue)
        answer = reach(issue, about.sender, sign, about.route)
        if answer.admitted and (verdict := turned_away(case.message, about.sender, about.routes)) is not None:
            answer = Reach(False, f"in its mailbox {verdict.reason}")
        steps.add(f"#{sign.issue} by {sign.how}: {answer.why}")
        if answer.admitted:
            return Thread(issue, sign.how, as_user=answer.as_user, private=private)
        related, denied = related or issue, denied or (answer.why if answer.denied else "")
    # an id alone may be of anybody's Redmine, where nothing says what ours sends from
    known = bool(tried) or bool(case.mailbox.redmine_addresses)
    return Thread(related=related, private=private and known, denied=denied)


@dataclass(frozen=True, slots=True)
class Reach:
    """May the sender write to the issue by this sign? `why` is the phrase for it."""

    admitted: bool
    why: str
    as_user: bool = False
    denied: bool = False


def reach(issue: Issue, sender: Sender, sign: Sign, route: Route) -> Reach:  # noqa: PLR0911 - a list of rules
    """Given an issue and a sign of it, return whether this sender's mail may become a note on it."""
    if not issue.project_active:
        return Reach(False, "its project is closed")
    if sender.forged:
        return Reach(False, "the mail server says that the sender is forged")
    part = takes_part(issue, sender)
    if not part and foreign(sign, issue):
        return Reach(False, f"[{sign.words} #{sign.issue}] is another system's tag")
    if sender.user is not None:
        if not route.issue.check_permissions:
            may = issue.visible_to_sender is not False and issue.noteable_by_sender is not False
            return Reach(True, "the sender is a user, and permissions are not checked", as_user=may)
        if issue.visible_to_sender and issue.noteable_by_sender:
            return Reach(True, "the sender may write there", as_user=True)
        if issue.visible_to_sender and issue.noteable_by_sender is False:
            return Reach(False, f"{sender.user.login} may see it but not add notes", denied=True)
    if part:
        if issue.public or sign.worth >= Worth.SECRET or sender.proven:
            return Reach(True, "the sender takes part in it")
        return Reach(False, "it is not public, and nothing proves that the sender takes part in it")
    if sign.worth is Worth.SIGNED:
        allowed = route.issue.signed_references
        if allowed == "anyone" or (allowed == "public" and issue.public):
            return Reach(True, "the sender answers our own signed mail")
    return Reach(False, "the sender takes no part in it")


def takes_part(issue: Issue, sender: Sender) -> bool:
    """Is the sender requester, in Cc of its mails, author, assignee or watcher, as far as the address says?

    Redmine's own ways of taking part end where Redmine no longer shows the issue to that user.
    """
    if sender.address.key and sender.address.key in issue.participants:
        return True
    holders = issue.watcher_ids | {issue.author_id, issue.assigned_to_id}
    return issue.visible_to_sender is not False and bool(sender.ids & holders)


def foreign(sign: Sign, issue: Issue) -> bool:
    """Is the subject's tag another system's? Redmine's own reads `[Project - Tracker #1]`, people write `[#1]`."""
    if not sign.words or not (issue.project_name or issue.tracker):
        return False
    own = f"{issue.project_name} {issue.tracker} {issue.project}"
    return not (_words(sign.words) & _words(own))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text[:500].casefold()))

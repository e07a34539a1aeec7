"""What in a mail refers to an issue, and how much each sign is worth. The order is in docs/dev/threading.md."""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from enum import IntEnum

from redmine_mailbridge.model.facts import Facts
from redmine_mailbridge.model.mail import Message
from redmine_mailbridge.policy.own_addresses import MailboxIdentity
from redmine_mailbridge.util.dataclass import dataclass

_REDMINE_ID = re.compile(r"<?redmine\.([a-z0-9_]{1,40})-([0-9]{1,10})\.([0-9]{1,20})(?:\.[a-f0-9]{1,64})?@")
_HASH_NUMBER = re.compile(r"#([0-9]{1,10})\]")
_FORUM = re.compile(r"\[[^\]\[]{0,500}msg[0-9]{1,10}\]")
_CALLED = {"message": "forum message", "news": "news item"}
MAX_IDS = 200
MAX_SUBJECT = 2000


class Strength(IntEnum):
    """How hard a reference is to obtain for someone who never received the bridge's messages."""

    GUESSABLE = 1
    SECRET = 2
    SIGNED = 3


@dataclass(frozen=True, slots=True)
class Reference:
    """A hint that a message belongs to an issue. `words` are those before the number in the subject's tag."""

    issue: int
    how: str
    strength: Strength
    words: str = ""


def referenced(message: Message) -> tuple[str, ...]:
    """The Message-IDs that a message answers, the nearest first, then those it reports on."""
    return tuple(dict.fromkeys((*message.answered, *message.automatic.about)))[:MAX_IDS]


def redmine_id(message_id: str) -> tuple[str, int, str] | None:
    """Given a Message-ID, return class, number and time stamp if Redmine may have created it; None if not."""
    match = _REDMINE_ID.match(message_id[:512])
    return (match[1], int(match[2]), match[3]) if match else None


def answered_other(message: Message) -> str | None:
    """Given a message without an issue, return the subject of Redmine's notification that it answers: news, a
    message."""
    answered = next(filter(None, map(redmine_id, referenced(message))), None)
    if answered is None:
        return "forum message" if _FORUM.search(message.subject[:MAX_SUBJECT]) else None
    return None if answered[0] in ("issue", "journal") else _CALLED.get(answered[0], answered[0].replace("_", " "))


def subject_tags(subject: str) -> tuple[tuple[int, str], ...]:
    """Given a subject, return number and preceding words of each `[… #123]` as Redmine reads it, in order.

    Redmine's grammar: `[`, then anything but `]` that ends in white space, or nothing, then `#123]`. Parsed by hand,
    since that expression backtracks over a subject of brackets and spaces.
    """
    subject, tags = subject[:MAX_SUBJECT], []
    for match in _HASH_NUMBER.finditer(subject):
        hash_at = match.start()
        opened = subject.find("[", subject.rfind("]", 0, hash_at) + 1, hash_at)
        before = subject[hash_at - 1 : hash_at]
        if opened >= 0 and (before.isspace() or before == "["):
            words = subject[opened + 1 : hash_at].rpartition("[")[2]
            tags.append((int(match[1]), " ".join(words.split())))
    return tuple(tags)


def references(message: Message, mailbox: MailboxIdentity, facts: Facts, *, proven: bool) -> Iterator[Reference]:
    """Given a message, and whether its sender is proven, yield its references in order of precedence."""
    ids = referenced(message)
    if mailbox.signer is not None:
        for signed in filter(None, map(mailbox.signer.read, ids)):
            yield Reference(signed.issue, "the Message-ID of our own mail", Strength.SIGNED)
    for known in filter(None, map(facts.known.get, ids)):
        if known.issue is not None:
            whose = "a mail that we sent" if known.direction == "out" else "an earlier mail"
            yield Reference(known.issue, f"the Message-ID of {whose}", Strength.SECRET)
    yield from _redmine_signs(ids, facts, proven=proven)
    if mailbox.signer is not None:
        text = f"{message.body.written}\n{message.body.quoted}\n{message.body.whole}"
        for issue in dict.fromkeys(mailbox.signer.markers_in(text)):
            yield Reference(issue, "our marker in the quoted text", Strength.SIGNED)
    for issue, words in subject_tags(message.subject):
        yield Reference(issue, "the tag in the subject", Strength.GUESSABLE, words)
    if facts.same_subject_issue is not None:
        yield Reference(
            facts.same_subject_issue, "the same sender and subject within bundle_window", Strength.GUESSABLE
        )


def answers_private(ids: tuple[str, ...], mailbox: MailboxIdentity, facts: Facts) -> bool:
    """Does a mail with these ids answer Redmine's mail about a note that is private, or may have been: that is not
    visible to the bridge? A missing note is another Redmine's if that created the id. Offline it is not looked up.

    A reply to a private note stays private whatever else it contains: Redmine's mail about the note brings the
    issue's text along, possibly with the bridge's marker, and the reply quotes that.
    """
    own = redmines_own(ids)
    if own is None or own[0] != "journal":
        return False
    journal = facts.journals.get(own[1])
    if journal is not None:
        return journal.private
    return not facts.offline and redmines_own(filter(mailbox.may_be_redmines, ids)) == own


def redmines_own(ids: Iterable[str]) -> tuple[str, int, str] | None:
    """Given the ids that a message answers, return class, number and time stamp of Redmine's first one about an issue
    or a note. A message answers one message: several of them indicate guessing.
    """
    redmine_ids = filter(None, map(redmine_id, ids))
    return next((parts for parts in redmine_ids if parts[0] in {"issue", "journal"}), None)


def redmines_issue(ids: Iterable[str]) -> tuple[int, str] | None:
    """Given the ids that a message answers, return number and time stamp of Redmine's first one about an issue:
    its notifications about a note name their issue in References.
    """
    redmine_ids = filter(None, map(redmine_id, ids))
    return next(((number, stamp) for kind, number, stamp in redmine_ids if kind == "issue"), None)


def _redmine_signs(ids: tuple[str, ...], facts: Facts, *, proven: bool) -> Iterator[Reference]:
    """Given the ids that a message answers, yield the references from Redmine's own.

    If the note does not exist, or is not visible, the issue that Redmine's notification also names is used.

    Such an id is unsigned, but contains the second in which the issue or note was created: if it is right, a proven
    sender has most likely received the notification. From anyone else it is worth no more than a number.
    """
    own = redmines_own(ids)
    if own is None:
        return
    kind, number, stamp = own
    journal = facts.journals.get(number) if kind == "journal" else None
    if journal is not None:
        strength = _strength(journal.created_on, stamp, proven=proven)
        yield Reference(journal.issue, "the Message-ID of Redmine's mail about a note", strength)
    elif (named := redmines_issue(ids)) is not None:
        number, stamp = named
        issue = facts.issues.get(number)
        how = "the Message-ID of Redmine's mail"
        how += ", in reply to one about a note that does not exist" if kind == "journal" else ""
        yield Reference(number, how, _strength(issue.created_on if issue else None, stamp, proven=proven))


def _strength(made: dt.datetime | None, stamp: str, *, proven: bool) -> Strength:
    right = proven and made is not None and f"{made:%Y%m%d%H%M%S}" == stamp
    return Strength.SECRET if right else Strength.GUESSABLE

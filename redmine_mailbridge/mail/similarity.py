"""Is a message the same as another with its Message-ID, although a list or a gateway has changed it in transit?

Help desks that look at the Message-ID alone lose mail: programs give one id to many mails (freescout#5591). Those that
look at the bytes alone make two issues of one mail that came directly and through a list. So: the same author and date,
a subject that only grew, the files, and the whole text of the one within the other, which adds no more than lists and
gateways add. Then nothing that a person wrote is lost with either.

The one that is asked about may be the genuine one, and the other a stub that somebody has sent before it to swallow it:
what it adds must be little beside what both have, or stand behind a list's line. Linear in the length of the mails.
"""

import hashlib
from collections.abc import Iterator

from redmine_mailbridge.model.mail import Message

ADDED = 600
"""Letters and digits that a gateway may add: a banner about mail from outside, a scanner's footer."""
ADDED_BY_LIST = 3000
"""The same for a message with the headers of a list."""
SMALL_FILE = 4096
"""Bytes of a text file up to which it may be a list's footer, which Mailman adds as a part of its own."""
RULES = frozenset("-_=*~#")
"""What the line above a list's footer is drawn with."""
LIST_MARKS = ("list-id", "list-post", "x-beenthere", "x-mailman-version", "mailing-list")


def difference(this: Message, other: Message) -> str:
    """Given two mails with the same Message-ID, return the difference that makes them two messages, in a word or
    two; "" when this one adds nothing that a person wrote to the other.
    """
    return next(_differences(this, other), "")


def _differences(this: Message, other: Message) -> Iterator[str]:
    """The difference between two messages; the texts are compared only if the headers show none."""
    if this.truncated or other.truncated:
        yield "known in part only"
    if not _authors(this) & _authors(other):
        yield "another author"
    if not this.header("date") or this.date is None or this.date != other.date:
        yield "another date"
    if not _grew(this.subject, other.subject):
        yield "another subject"
    if not _much_the_same_text(this, other):
        yield "another text"
    if not _files_within(this, other, listed=_listed(this)):
        yield "other files"


def adds(this: Message, other: Message) -> bool:
    """Given two mails with the same header fields and body, does this one, as it is read, say anything that the other
    does not? The same bytes are read otherwise where a mail says that they are of another kind.
    """
    files = {file.sha256 for file in other.attachments}
    return _plain(this.body.whole) not in _plain(other.body.whole) or any(
        file.sha256 not in files for file in this.attachments
    )


def as_read(mail: Message) -> str:
    """Given a mail, return a hash (hex) of what is read in it."""
    digest = hashlib.sha256(_plain(mail.body.whole).encode("utf-8", "replace"))
    for file in sorted(file.sha256 for file in mail.attachments):
        digest.update(f"/{file}".encode())
    return digest.hexdigest()[:32]


def _files_within(this: Message, other: Message, *, listed: bool) -> bool:
    """Are all files of a mail in the other, but for a list's footer?"""
    hashes = {file.sha256 for file in other.attachments}
    more = [file for file in this.attachments if file.sha256 not in hashes]
    small = all(file.size <= SMALL_FILE and file.content_type.startswith("text/") for file in more)
    return not more or (listed and small)


def _listed(mail: Message) -> bool:
    """Does a mail bear the marks of a list?"""
    return any(mail.header(name) for name in LIST_MARKS)


def _plain(text: str) -> str:
    """Given a text, return its letters and digits: markup, line breaks and quoting change on the way."""
    return "".join(filter(str.isalnum, text.casefold()))


def _grew(this: str, other: str) -> bool:
    """Does one of two subjects end with the other, and add little in front? This one adds nothing to an empty one."""
    own_letters, others = _plain(this), _plain(other)
    short, long = sorted((own_letters, others), key=len)
    return long.endswith(short) and len(long) - len(short) <= ADDED and (bool(others) or not own_letters)


def _much_the_same_text(this: Message, other: Message) -> bool:
    """Is all that a person wrote in this one in the other, too?"""
    own_letters, others = _plain(this.body.whole), _plain(other.body.whole)
    if _only_more(others, own_letters, listed=_listed(other)):
        return True
    return _only_more(own_letters, others, listed=_listed(this)) and _no_persons_words(
        this, len(own_letters), len(others)
    )


def _only_more(long: str, short: str, *, listed: bool) -> bool:
    """Does a text hold another, and add no more than lists (where it came by one) and gateways?"""
    return 0 <= len(long) - len(short) <= (ADDED_BY_LIST if listed else ADDED) and short in long


def _no_persons_words(this: Message, whole: int, length: int) -> bool:
    """Given a mail that holds the text of another, and the letters and digits of both, is what it adds a banner or a
    footer, as far as one can tell? It has no more than both, or is after a list's line.
    """
    if whole <= 2 * length:
        return True
    before = 0
    for line in this.body.whole.splitlines() if _listed(this) and length else ():
        drawn = "".join(line.split())
        if before == length and len(drawn) > 1 and RULES.issuperset(drawn):
            return True
        before += len(_plain(line))
    return False


def _authors(mail: Message) -> frozenset[str]:
    """Who may have written a mail: From, and behind a list that writes its own address there, whom it names besides."""
    authors = {mail.sender.key}
    if _listed(mail):
        authors |= {address.key for address in mail.reply_to}
    return frozenset(authors - {""})

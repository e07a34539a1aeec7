"""Is a mail the same as another that bears its Message-ID, though a list or a gateway has changed it on the way?

Help desks that look at the Message-ID alone lose mail: programs give one id to many mails (freescout#5591). Those that
look at the bytes alone make two issues of one mail that came directly and through a list. So: the same author and date,
a subject that only grew, the files, and the whole text of the one within the other, which adds no more than lists and
gateways add. Then nothing that a person wrote is lost with either. Linear in the length of the mails.
"""

from redmine_mailbridge.mail.message import Message

ADDED = 600
"""Letters and digits that a gateway may add: a banner about mail from outside, a scanner's footer."""
ADDED_BY_LIST = 3000
"""The same for a mail that bears the marks of a list."""
SMALL_FILE = 4096
"""Bytes of a text file up to which it may be a list's footer, which Mailman adds as a part of its own."""
LIST_MARKS = ("list-id", "list-post", "x-beenthere", "x-mailman-version", "mailing-list")


def difference(this: Message, other: Message) -> str:
    """Given two mails with the same Message-ID, return what tells them apart so that they are two mails, in a word or
    two; "" when this one adds nothing that a person wrote to the other.
    """
    listed = any(mail.header(name) for mail in (this, other) for name in LIST_MARKS)
    subjects, texts = (this.subject, other.subject), (this.body.whole, other.body.whole)
    told_apart = {
        "known in part only": this.truncated or other.truncated,
        "another author": not _authors(this) & _authors(other),
        "another date": not this.header("date") or this.date is None or this.date != other.date,
        "another subject": not _within(*subjects, added=ADDED),
        "another text": not _within(*texts, added=ADDED_BY_LIST if listed else ADDED),
        "other files": not _files_within(this, other, listed=listed),
    }
    return next((words for words, holds in told_apart.items() if holds), "")


def _files_within(this: Message, other: Message, *, listed: bool) -> bool:
    """Are all files of a mail in the other, but for a list's footer?"""
    there = {file.sha256 for file in other.attachments}
    more = [file for file in this.attachments if file.sha256 not in there]
    small = all(file.size <= SMALL_FILE and file.content_type.startswith("text/") for file in more)
    return not more or (listed and small)


def _within(this: str, other: str, *, added: int) -> bool:
    """Does one of two texts hold the other, and add so much at most? Only letters and digits count: markup, line breaks
    and quoting change on the way.
    """
    short, long = sorted(("".join(filter(str.isalnum, text.casefold())) for text in (this, other)), key=len)
    return len(long) - len(short) <= added and short in long


def _authors(mail: Message) -> frozenset[str]:
    """Who may have written a mail: From, and behind a list that writes its own address there, whom it names besides."""
    found = {mail.sender.key}
    if any(mail.header(name) for name in LIST_MARKS):
        found |= {one.key for one in mail.reply_to}
    return frozenset(found - {""})

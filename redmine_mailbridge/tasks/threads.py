"""The conversation that a mail about an issue continues: what it answers, under which subject, with whom in Cc.

Mail programs find a thread by References and In-Reply-To (Apple Mail, Thunderbird, Gmail), Gmail and Outlook also by
the subject without "Re:", Exchange by Thread-Topic and Thread-Index. So a mail about an issue answers the newest mail
of the customer's, under that mail's own subject, and names the whole conversation.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from redmine_mailbridge.errors import RawUnreadable
from redmine_mailbridge.mail.message import Address, Message
from redmine_mailbridge.outgoing.markup import unescaped
from redmine_mailbridge.store.issues import IssueRow
from redmine_mailbridge.store.talk import Talk, TalkMail
from redmine_mailbridge.tasks.job import Job

Read = Callable[[str, bool, str], Message]
"""Given where a mail's bytes are, whether they are cut, and its mailbox, return it. Raise RawMissing."""
QUOTED_LINES = 100
QUOTED_LENGTH = 20_000
_RE = re.compile(
    r"(?:re|aw|antw|antwort|sv|vs|rv|res|ref|odp|fwd?|wg|tr|rif|r|回复|回覆|答复|转发)(?:\[\d{1,3}\]|\(\d{1,3}\))?\s{0,3}[:：]\s{0,9}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Quoted:
    """What somebody wrote before. `date` as people read it."""

    author: str
    date: str
    text: str


@dataclass(frozen=True, slots=True)
class Thread:
    """Where a mail about an issue belongs. `subject` is without "Re:". `answerable`: a machine's mail may go there."""

    subject: str
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    index: str = ""
    cc: tuple[Address, ...] = ()
    history: tuple[Quoted, ...] = ()
    answerable: bool = True
    people: dict[str, str] = field(default_factory=dict)

    @property
    def reply_subject(self) -> str:
        """The subject of an answer."""
        return f"Re: {self.subject}"


def without_re(subject: str) -> str:
    """Given a subject, return it without the "Re:", "AW:" … before it, however many."""
    text = " ".join(subject.split())[:1000]
    while (found := _RE.match(text)) is not None:
        text = text[found.end() :]
    return text


class Threads:
    """Finds the conversations of issues."""

    def __init__(self, talk: Talk, read: Read) -> None:
        self._talk = talk
        self._read = read

    def of(self, issue: IssueRow) -> Thread:
        """Given an issue, return its conversation with the customer."""
        mails = [one for one in self._talk.came(issue.id, issue.requester) if one.customers]
        if not mails:
            return Thread(without_re(issue.subject) or f"#{issue.id}")
        last = mails[-1]
        message = self._message(last)
        ours = [message_id for message_id, _ in self._talk.sent(issue.id, issue.requester)]
        known = [mails[0].message_id, *(message.references if message else ()), *(one.message_id for one in mails)]
        subject = message.subject if message is not None else last.subject
        made = message is not None and message.message_id_made
        return Thread(
            subject=without_re(subject) or f"#{issue.id}",
            in_reply_to="" if made else last.message_id,
            references=tuple(dict.fromkeys(one for one in (*known, *ours) if not one.endswith("@mailbridge.invalid"))),
            index=message.header("thread-index") if message is not None else "",
            cc=_cc(last, message, issue.requester),
            history=_history(last, message),
            answerable=message is None or message.automatic.answerable,
            people={address.key: address.name for address in message.cc} if message is not None else {},
        )

    def _message(self, one: TalkMail) -> Message | None:
        if one.raw is None:
            return None
        try:
            return self._read(one.raw, one.truncated, one.mailbox)
        except RawUnreadable:
            return None


def _cc(last: TalkMail, message: Message | None, requester: str) -> tuple[Address, ...]:
    """Who else was in that mail: its writer, when that is not the requester, and its Cc. Once the mail's bytes are
    forgotten, the addresses that were noted when it came.
    """
    if message is not None:
        people = [message.sender, *message.cc]
    else:
        people = [Address("", one) for one in (Job.from_json(last.request).participants if last.request else ())]
    found = {one.key: one for one in people if one.domain and one.key != requester.lower()}
    return tuple(found.values())


def _history(last: TalkMail, message: Message | None) -> tuple[Quoted, ...]:
    if message is None:
        return ()
    text = unescaped(message.body.written or message.body.whole).strip()
    lines = text[:QUOTED_LENGTH].splitlines()
    if len(lines) > QUOTED_LINES or len(text) > QUOTED_LENGTH:
        lines = [*lines[:QUOTED_LINES], "…"]
    date = f"{message.date:%Y-%m-%d %H:%M}" if message.date else ""
    return (Quoted(message.sender.name or last.sender, date, "\n".join(lines)),) if lines else ()

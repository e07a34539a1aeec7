"""The conversation that a mail about an issue continues: what it answers, under which subject, with whom in Cc.

Mail programs find a thread by References and In-Reply-To (Apple Mail, Thunderbird, Gmail), Gmail and Outlook also by
the subject without "Re:", Exchange by Thread-Topic and Thread-Index. So a mail about an issue answers the newest mail
of the customer's, under that mail's own subject, and names the whole conversation.

A mail is part of the conversation only as long as Redmine shows what it made there to everybody, and never when it
bears the address of a Redmine user who is not the requester: an agent's, which nothing proved. It is quoted only as
long as nobody has changed what it made. Those in Cc come from the newest mail whose sender is proven.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from redmine_mailbridge.errors import RawUnreadable
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.outgoing.from_redmine import unescaped
from redmine_mailbridge.redmine.issue_visibility import Visible
from redmine_mailbridge.redmine.write_intent import Job
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.queries.conversations import Talk, TalkMail

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
    """Where a mail about an issue belongs. `subject` is without "Re:". `answerable`: a machine's mail may go there.

    `unproven` are those whom the newest mail names in Cc (or who wrote it) while nothing proves who wrote it.
    """

    subject: str
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    index: str = ""
    cc: tuple[Address, ...] = ()
    unproven: tuple[Address, ...] = ()
    history: tuple[Quoted, ...] = ()
    answerable: bool = True

    @property
    def reply_subject(self) -> str:
        """The subject of an answer."""
        return f"Re: {self.subject}"


@dataclass(frozen=True, slots=True)
class _Part:
    """A mail of the conversation. `whole`: what it made in Redmine is still as it was written."""

    mail: TalkMail
    job: Job | None
    whole: bool


def without_re(subject: str) -> str:
    """Given a subject, return it without the "Re:", "AW:" … before it, however many."""
    text = " ".join(subject.split())[:1000]
    while (found := _RE.match(text)) is not None:
        text = text[found.end() :]
    return text


class Threads:
    """Finds the conversations of issues. `is_user`: does a Redmine user own this address?"""

    def __init__(self, talk: Talk, read: Read, is_user: Callable[[str], bool]) -> None:
        self._talk = talk
        self._read = read
        self._is_user = is_user

    def of(self, issue: IssueRow, visible: Visible) -> Thread:
        """Given an issue, and what of it may be read now, return its conversation with the customer."""
        parts = list(self._parts(issue, visible))
        ours = tuple(message_id for message_id, _ in self._talk.sent(issue.id, issue.requester))
        if not parts:
            return Thread(without_re(issue.subject) or f"#{issue.id}", references=ours)
        last = parts[-1]
        message = self._message(last.mail)
        mails = [part.mail.message_id for part in parts]
        known = [mails[0], *(message.references if message else ()), *mails]
        subject = message.subject if message is not None else last.mail.subject
        made = message is not None and message.message_id_made
        cc, unproven = self._copied(issue, parts, message)
        return Thread(
            subject=without_re(subject) or f"#{issue.id}",
            in_reply_to="" if made else last.mail.message_id,
            references=tuple(dict.fromkeys(one for one in (*known, *ours) if not one.endswith("@mailbridge.invalid"))),
            index=message.header("thread-index") if message is not None else "",
            cc=cc,
            unproven=unproven,
            history=_history(last.mail, message) if last.whole else (),
            answerable=message is None or message.automatic.answerable,
        )

    def _parts(self, issue: IssueRow, visible: Visible) -> Iterator[_Part]:
        """The mails of the customer's side that everybody may know of, oldest first."""
        requester = issue.requester.lower()
        for one in self._talk.came(issue.id, issue.requester):
            job = Job.from_json(one.request) if one.request else None
            sender = one.sender.lower()
            if not one.customers or (one.journal is not None and visible.journal(one.journal) is None):
                continue
            if sender != requester and ((job is not None and job.claims) or self._is_user(sender)):
                continue
            written = "" if job is None else _written(job)
            yield _Part(one, job, visible.says(one.journal, written))

    def _copied(
        self, issue: IssueRow, parts: Sequence[_Part], newest: Message | None
    ) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
        """Who else is in the conversation, by the newest mail whose sender is proven; and who would be, by the newest
        of all.
        """
        last = parts[-1]
        proven = next((part for part in reversed(parts) if part.job is not None and part.job.proven), None)
        if proven is last:
            return _people(last, newest, issue.requester), ()
        cc = () if proven is None else _people(proven, self._message(proven.mail), issue.requester)
        known = {one.key for one in cc}
        return cc, tuple(one for one in _people(last, newest, issue.requester) if one.key not in known)

    def _message(self, one: TalkMail) -> Message | None:
        if one.raw is None:
            return None
        try:
            return self._read(one.raw, one.truncated, one.mailbox)
        except RawUnreadable:
            return None


def _written(job: Job) -> str:
    """What the mail made in Redmine, as it was sent there."""
    attributes = job.request.attributes
    return str(attributes.get("description" if job.creates else "notes") or "")


def _people(part: _Part, message: Message | None, requester: str) -> tuple[Address, ...]:
    """Who else was in a mail: its writer, when that is not the requester, and its Cc. Once the mail's bytes are
    forgotten, the addresses that were noted when it came.
    """
    if message is not None:
        people = [message.sender, *message.cc]
    else:
        people = [Address("", one) for one in (part.job.participants if part.job is not None else ())]
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

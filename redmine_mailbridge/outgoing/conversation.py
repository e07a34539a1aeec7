"""The conversation that a mail about an issue continues: what it answers, under which subject, with whom in Cc.

Mail programs find a thread by References and In-Reply-To (Apple Mail, Thunderbird, Gmail), Gmail and Outlook also by
the subject without "Re:", Exchange by Thread-Topic and Thread-Index. So a mail about an issue answers the newest mail
of the customer's, under that mail's own subject, and names the whole conversation.

A mail is part of the conversation only while the issue or note that it made is public in Redmine, and never if its
From is the address of a Redmine user other than the requester: an agent's, without proof. It is quoted only while
what it made is unchanged. The people in Cc come from the newest mail whose sender is proven. Third parties of the issue
are not in it: neither their mails, nor they in Cc, whoever names them there.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from redmine_mailbridge.errors import RawUnreadable
from redmine_mailbridge.mail.language import language_of
from redmine_mailbridge.mail.mime.address_syntax import is_among
from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.mail.text.from_redmine import unescaped
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.personal_names import as_written
from redmine_mailbridge.redmine.issue_visibility import VisibleIssue
from redmine_mailbridge.redmine.write_intent import WriteIntent
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.queries.conversations import ConversationMail, ConversationQueries
from redmine_mailbridge.util.dataclass import dataclass

QUOTED_LINES = 100
QUOTED_LENGTH = 20_000
_RE = re.compile(
    r"(?:re|aw|antw|antwort|sv|vs|rv|res|ref|odp|fwd?|wg|tr|rif|r|回复|回覆|答复|转发)(?:\[\d{1,3}\]|\(\d{1,3}\))?\s{0,3}[:：]\s{0,9}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class QuotedText:
    """What somebody wrote before."""

    author: str
    date: Moment
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Where a mail about an issue belongs. `subject` is without "Re:". `answerable`: a machine's mail may go there.

    `written_to` are the addresses that the newest mail was sent to.
    `language` is that of the newest mail whose language was detected, "" if there is none.
    `unproven` are those whom the newest mail names in Cc (or who wrote it) while nothing proves who wrote it.
    `begins`: the conversation began in Redmine, and no mail of it has been sent or received.
    `cc_by_agents` are those in `cc` whom agents have added; they come first in it. `apart` are the third parties of the
    issue, lower case, who are never in `cc`.
    """

    subject: str
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    index: str = ""
    cc: tuple[Address, ...] = ()
    unproven: tuple[Address, ...] = ()
    cc_by_agents: tuple[Address, ...] = ()
    history: tuple[QuotedText, ...] = ()
    answerable: bool = True
    language: str = ""
    written_to: tuple[str, ...] = ()
    begins: bool = False
    apart: frozenset[str] = frozenset()

    @property
    def reply_subject(self) -> str:
        """The subject of an answer; that of the first mail of a conversation answers nothing."""
        return self.subject if self.begins else f"Re: {self.subject}"

    def without(self, people: Collection[str]) -> "Conversation":
        """The same without these addresses (lower case) in Cc."""
        cc, by_agents, unproven = (
            tuple(person for person in several if comparable(person.address) not in people)
            for several in (self.cc, self.cc_by_agents, self.unproven)
        )
        return replace(self, cc=cc, cc_by_agents=by_agents, unproven=unproven)

    def with_changes(self, added: Sequence[Address], removed: Sequence[Address]) -> "Conversation":
        """Given whom an agent adds to Cc and removes from it, return the conversation with these people in Cc."""
        added = [person for person in added if not is_among(person.address, self.apart)]
        named = {comparable(person.address) for person in (*added, *removed)}

        def others(people: Sequence[Address]) -> tuple[Address, ...]:
            return tuple(person for person in people if comparable(person.address) not in named)

        return replace(
            self,
            cc=(*added, *others(self.cc)),
            cc_by_agents=(*added, *others(self.cc_by_agents)),
            unproven=others(self.unproven),
        )


@dataclass(frozen=True, slots=True)
class _Part:
    """A mail of the conversation. `whole`: what it made in Redmine is still as it was written."""

    mail: ConversationMail
    intent: WriteIntent | None
    whole: bool


def without_re(subject: str) -> str:
    """Given a subject, return it without the "Re:", "AW:" … before it, however many."""
    text = " ".join(subject.split())[:1000]
    while (prefix := _RE.match(text)) is not None:
        text = text[prefix.end() :]
    return text


class ReadStored(Protocol):
    """Parses a mail of the store."""

    def __call__(self, raw: str, truncated: bool, mailbox: str) -> Message:
        """Given the file with a mail's bytes, whether they are cut, and its mailbox, return the message. Raise
        RawUnreadable.
        """


class ConversationFinder:
    """Finds the conversations of issues. `is_user`: does a Redmine user own this address?"""

    def __init__(self, queries: ConversationQueries, read: ReadStored, is_user: Callable[[str], bool]) -> None:
        self._queries = queries
        self._read = read
        self._is_user = is_user

    def of(self, issue: IssueRow, visible: VisibleIssue) -> Conversation:
        """Given an issue, and what of it may be read now, return its conversation with the customer, with the people in
        Cc as agents have changed them. Who was the requester before is in Cc only if an agent has named them since.
        """
        changes = self._queries.cc_changes(issue.id)
        apart = self._queries.third_parties(issue.id, issue.requester)
        former = self._queries.former_requesters(issue.id, issue.requester)
        conversation = replace(self._by_mails(issue, visible, apart), apart=apart)
        return conversation.without(former).with_changes(changes.added, changes.removed)

    def _by_mails(self, issue: IssueRow, visible: VisibleIssue, apart: frozenset[str]) -> Conversation:
        parts = list(self._parts(issue, visible))
        sent = tuple(message_id for message_id, _ in self._queries.outgoing(issue.id, issue.requester))
        if not parts:
            begins = issue.mail_id is None and not sent
            return Conversation(without_re(issue.subject) or f"#{issue.id}", references=sent, begins=begins)
        last = parts[-1]
        message = self._message(last.mail)
        mails = [part.mail.message_id for part in parts]
        known = [mails[0], *(message.references if message else ()), *mails]
        subject = message.subject if message is not None else last.mail.subject
        made = message is not None and message.message_id_made
        cc, unproven = self._copied(issue, parts, message, apart)
        their_ids = self._queries.third_party_ids(issue.id)
        return Conversation(
            subject=without_re(subject) or f"#{issue.id}",
            in_reply_to="" if made else last.mail.message_id,
            references=tuple(
                dict.fromkeys(
                    message_id
                    for message_id in (*known, *sent)
                    if message_id not in their_ids and not message_id.endswith("@mailbridge.invalid")
                )
            ),
            index=message.header("thread-index") if message is not None else "",
            cc=cc,
            unproven=unproven,
            history=_history(last, message) if last.whole else (),
            answerable=message is None or message.automatic.answerable or _writer(last, message) != message.sender,
            written_to=_written_to(last, message),
            language=_language(parts, message),
        )

    def _parts(self, issue: IssueRow, visible: VisibleIssue) -> Iterator[_Part]:
        """The customer side's mails that are public in Redmine, oldest first."""
        requester = issue.requester.lower()
        for mail in self._queries.incoming(issue.id, issue.requester):
            intent = WriteIntent.from_json(mail.request) if mail.request else None
            sender = mail.sender.lower()
            if not mail.customers or (mail.journal is not None and visible.journal(mail.journal) is None):
                continue
            if sender != requester and ((intent is not None and intent.claims) or self._is_user(sender)):
                continue
            if mail.journal is None and not _by_requester(mail, intent, requester):
                continue
            written = "" if intent is None else _written(intent)
            yield _Part(mail, intent, visible.says(mail.journal, written))

    def _copied(
        self, issue: IssueRow, parts: Sequence[_Part], newest: Message | None, apart: frozenset[str]
    ) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
        """The people in Cc by the newest mail whose sender is proven, and those whom only the newest, unproven mail
        names.
        """
        last = parts[-1]
        proven = next((part for part in reversed(parts) if part.intent is not None and part.intent.proven), None)
        if proven is last:
            return _people(last, newest, issue.requester, apart), ()
        cc = () if proven is None else _people(proven, self._message(proven.mail), issue.requester, apart)
        known = {person.key for person in cc}
        unproven = _people(last, newest, issue.requester, apart)
        return cc, tuple(person for person in unproven if person.key not in known)

    def _message(self, mail: ConversationMail) -> Message | None:
        if mail.raw is None:
            return None
        try:
            return self._read(mail.raw, mail.truncated, mail.mailbox)
        except RawUnreadable:
            return None


def _by_requester(created: ConversationMail, intent: WriteIntent | None, requester: str) -> bool:
    """Is the message that created an issue the requester's own? Not an agent's that forwards the requester's mail, and
    not that of a person who was the requester until somebody corrected it: their words are not for the requester.
    """
    if intent is None:
        return created.author.lower() == requester
    return intent.vouched != "forwarded" and (intent.requester_address or created.author).lower() == requester


def _language(parts: Sequence[_Part], newest: Message | None) -> str:
    """The language of the newest mail whose language was detected, as recorded when the mail came. For mail older than
    that record, the newest mail's text is examined.
    """
    noted = (part.intent.language for part in reversed(parts) if part.intent is not None and part.intent.language)
    return next(noted, "") or (language_of(newest) if newest is not None else "")


def _written(intent: WriteIntent) -> str:
    """The text of the issue or note that the mail made, as it was sent to Redmine."""
    attributes = intent.request.attributes
    return str(attributes.get("description" if intent.creates else "notes") or "")


def _people(part: _Part, message: Message | None, requester: str, apart: frozenset[str]) -> tuple[Address, ...]:
    """The other people in a mail: its writer, unless that is the requester, and its Cc, but for the third parties
    (`apart`). If the mail's bytes have been deleted, the addresses that were recorded when it came.
    """
    if message is not None:
        people = [_writer(part, message), *message.cc]
    else:
        people = [Address("", address) for address in (part.intent.participants if part.intent is not None else ())]
    by_key = {person.key: person for person in people if person.domain and person.key != requester.lower()}
    return tuple(person for person in by_key.values() if not is_among(person.key, apart))


def _written_to(part: _Part, message: Message | None) -> tuple[str, ...]:
    """The addresses in a mail's To, Cc and record of delivery. If its bytes have been deleted, those that were recorded
    when it came.
    """
    if message is None:
        return part.intent.named if part.intent is not None else ()
    return (*(recipient.address for recipient in message.recipients), *message.recipients_of_record)


def _history(last: _Part, message: Message | None) -> tuple[QuotedText, ...]:
    if message is None:
        return ()
    text = quotable(message)
    author = as_written(_writer(last, message).name) or last.mail.sender
    return (QuotedText(author, Moment(message.date), text),) if text else ()


def _writer(part: _Part, message: Message) -> Address:
    """On whose behalf a mail was handled: its From, or the person behind it."""
    if message.sender.key == part.mail.sender.lower():
        return message.sender
    return Address(part.intent.requester if part.intent is not None else "", part.mail.sender)


def quotable(message: Message) -> str:
    """Given a mail, return its writer's text for a quote; a long text is cut and ends in "…"."""
    text = unescaped(message.body.written or message.body.whole).strip()
    lines = text[:QUOTED_LENGTH].splitlines()
    if len(lines) > QUOTED_LINES or len(text) > QUOTED_LENGTH:
        lines = [*lines[:QUOTED_LINES], "…"]
    return "\n".join(lines)

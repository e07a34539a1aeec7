"""Mail to people about an issue, and to admins: composed, kept within the limits, and queued once.

    kind, issue, key ──▶ Message-ID (always the same) ──▶ what may be read now ──▶ template ──▶ thread ──▶ outbox,
                                                                                       a row for each person

A second call with the same kind, issue and key, after a crash or by mistake, queues nothing new. No mail is composed
about an issue that Redmine does not show now, and none to the customer and those in Cc about one that is not public,
unless the mailbox allows it (`private_projects`). Mail to third parties (kind `third_party`) is apart from all
that: its conversation is given, and it goes to whom an agent has named.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.mail.message_ids import THIRD_PARTY, TO_TEAM
from redmine_mailbridge.mail.mime.address_syntax import without_subaddress
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.conversation import Conversation, ConversationFinder
from redmine_mailbridge.outgoing.issue_mail.audience import Audience, AudienceFilter
from redmine_mailbridge.outgoing.issue_mail.mail import NO_QUESTION, ComposedMail, IssueMail, ReadableIssue
from redmine_mailbridge.outgoing.message import BY_PEOPLE, OutgoingMessage
from redmine_mailbridge.outgoing.rate_limits import held_back
from redmine_mailbridge.outgoing.sender_profile import SenderProfile
from redmine_mailbridge.outgoing.template_variables import OF_AN_ISSUE, CustomFieldValues
from redmine_mailbridge.redmine.issue_visibility import ShowIssue, VisibleIssue
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.store.outgoing.outbox import Outbox

log = structlog.get_logger(__name__)


PRIVATE = "the project or the issue is private (answers.private_projects)"


class IssueMailer:
    """Composes and queues mail. Thread-safe. `show_issue` asks Redmine for an issue as it is now; `own_addresses` are
    never written to; `system` is the profile for mail to admins, None if nothing can be sent.
    """

    def __init__(
        self,
        profiles: Mapping[str, SenderProfile],
        outbox: Outbox,
        conversations: ConversationFinder,
        *,
        show_issue: ShowIssue,
        own_addresses: Collection[str],
        system: SenderProfile | None,
        clock: Callable[[], float],
    ) -> None:
        self.profiles = profiles
        self._outbox = outbox
        self._conversations = conversations
        self.show_issue = show_issue
        self._own_addresses = own_addresses
        self._filter = AudienceFilter(own_addresses)
        self._system = system
        self._clock = clock

    def with_kinds(self, *kinds: str) -> "IssueMailer":
        """Return a mailer for which these kinds are enabled whatever the settings say."""
        profiles = {name: replace(profile, kinds=profile.kinds.union(kinds)) for name, profile in self.profiles.items()}
        return IssueMailer(
            profiles, self._outbox, self._conversations,
            show_issue=self.show_issue, own_addresses=self._own_addresses, system=self._system, clock=self._clock,
        )  # fmt: skip

    def queue(self, mail: IssueMail) -> str:
        """Given a mail about an issue, queue it once. Return the line for the record. Raise RedmineUnavailable."""
        kind, issue = mail.kind, mail.issue
        if self._is_queued(mail):
            return f"queued before: {kind} mail about #{issue.id}"
        composed = self.compose(mail)
        if not composed.mails:
            return f"no {kind} mail: {composed.why_not}"
        lines = [line for _, line in self._outbox.queue(composed.mails, mail_id=issue.mail_id)]
        if composed.not_to_requester:
            lines.append(f"not to the customer: {composed.not_to_requester}")
        return "; ".join(lines)

    def _is_queued(self, mail: IssueMail) -> bool:
        """Is this mail in the outbox, whichever note it quotes?"""
        profile, plain = self.profiles.get(mail.issue.mailbox), _serial(mail.key)
        if profile is None:
            return False
        signed = map(profile.signer.read, self._outbox.message_ids(mail.issue.id, mail.kind))
        return any(signature is not None and _QUOTING.sub("", signature.serial) == plain for signature in signed)

    @property
    def reaches_admins(self) -> bool:
        """Can mail be sent to admins at all?"""
        return self._system is not None

    def queue_system(
        self, kind: str, key: str, to: Sequence[Address], variables: Mapping[str, Any]
    ) -> tuple[bool, str]:
        """Given a kind of mail to admins, what it is about, to whom it goes and what its template may speak of, queue
        it. Return whether the outbox holds it for any recipient now, and one line.
        """
        profile, people = self._system, self.reachable(to, kind)
        if profile is None or not people:
            return False, f"no {kind} mail: {'nothing can be sent' if profile is None else 'no recipients'}"
        try:
            values = {**profile.variables(self._clock()), **variables}
            texts = profile.mail(kind, profile.language, values, None)
        except SettingsError as error:
            log.warning("mail.template_failed", kind=kind, reason=str(error))
            return False, f"no {kind} mail: {error}"
        own_id = f"{kind}.{_serial(key)}.{profile.signer.short_instance}@{profile.sender.host}"
        outgoing_message = OutgoingMessage(
            kind, profile.sender, people[0], texts.subject, texts.text, own_id, texts.html,
            loop_value=profile.signer.instance, other_recipients=tuple(people[1:]),
        )  # fmt: skip
        outcomes = self._outbox.queue(self._copies(profile, outgoing_message, None))
        return any(queued for queued, _ in outcomes), "; ".join(line for _, line in outcomes)

    def compose(self, mail: IssueMail, readable: ReadableIssue | None = None) -> ComposedMail:
        """As `queue`, without queueing: return the mails, for whoever queues them with something else at once.

        `readable` is the issue as Redmine shows it at this moment, for whoever has asked just now; None: it is asked.
        Raise RedmineUnavailable.
        """
        profile = self.profiles.get(mail.issue.mailbox)
        if profile is None:
            return ComposedMail(why_not=f"mailbox {mail.issue.mailbox} has nowhere to send by")
        if mail.template_kind not in profile.kinds:
            return ComposedMail(why_not=f"it is switched off for mailbox {mail.issue.mailbox}")
        readable = readable or self._readable(mail.issue)
        if readable is None:
            return ComposedMail(why_not="Redmine does not show the issue any more")
        visible_to_customer = readable.visible.public or profile.private_projects
        audience = self._filter.audience(mail, visible_to_customer=visible_to_customer)
        if why_not := _why_not(mail.kind, audience, readable.conversation):
            return ComposedMail(why_not=why_not)
        try:
            message = self._message(mail, profile, audience, readable)
        except SettingsError as error:
            log.warning("mail.template_failed", kind=mail.kind, issue=mail.issue.id, reason=str(error))
            return ComposedMail(why_not=str(error))
        return ComposedMail(
            self._copies(profile, message, mail.issue.id),
            not_to_requester=PRIVATE if audience.private else "",
        )

    def _readable(self, issue: IssueRow) -> ReadableIssue | None:
        visible = self.show_issue(issue.id)
        return None if visible is None else ReadableIssue(visible, self._conversations.of(issue, visible))

    def _message(
        self, mail: IssueMail, profile: SenderProfile, audience: Audience, readable: ReadableIssue
    ) -> OutgoingMessage:
        """The mail with its texts, as an answer within the conversation. Raise SettingsError for a broken template."""
        issue, conversation = mail.issue, readable.conversation
        variables = mail.variables(readable.visible) if callable(mail.variables) else mail.variables
        values = {**profile.variables(self._clock()), **_about(mail, profile, conversation), **variables}
        language = profile.language_for(mail.template_kind, conversation.language)
        texts = profile.mail(mail.template_kind, language, values, issue.id)
        serial = _serial(mail.key, values.get("question", NO_QUESTION)["journal"])
        sender = profile.sender
        if mail.kind not in TO_TEAM:
            sender = profile.sender_for(conversation.written_to, _agent(values))
        return OutgoingMessage(
            kind=mail.kind,
            sender=sender,
            to=audience.to[0],
            subject=texts.subject,
            text=texts.text,
            html=texts.html,
            message_id=profile.signer.message_id(mail.kind, issue.id, serial, profile.sender.host),
            in_reply_to=conversation.in_reply_to,
            references=conversation.references,
            loop_value=profile.signer.instance,
            other_recipients=audience.to[1:],
            cc=audience.cc,
            files=tuple(mail.files),
            thread_topic=conversation.subject,
            thread_index=conversation.index,
        )

    def conversation(self, issue: IssueRow, visible: VisibleIssue) -> Conversation:
        """The conversation that a mail about this issue continues."""
        return self._conversations.of(issue, visible)

    def reachable(self, people: Sequence[Address], kind: str) -> list[Address]:
        """As `AudienceFilter.reachable`."""
        return self._filter.reachable(people, kind)

    def _copies(
        self, profile: SenderProfile, outgoing_message: OutgoingMessage, issue: int | None
    ) -> tuple[NewAnswer, ...]:
        """The mail for each whom it goes to: who has an address beyond ASCII gets it with addresses as they are."""
        now = dt.datetime.fromtimestamp(self._clock(), dt.UTC)
        people = (outgoing_message.to, *outgoing_message.other_recipients, *outgoing_message.cc)
        contents = {
            plain: outgoing_message.as_bytes(now, international=not plain)
            for plain in {person.address.isascii() for person in people}
        }
        return tuple(
            NewAnswer(
                mailbox=profile.mailbox,
                kind=outgoing_message.kind,
                sender=profile.sender.address,
                recipient=person.address,
                message_id=outgoing_message.message_id,
                content=contents[person.address.isascii()],
                why_not=lambda count: held_back(count, refusal=False),
                issue=issue,
                among=BY_PEOPLE if outgoing_message.kind in BY_PEOPLE else None,
                person="" if outgoing_message.kind in BY_PEOPLE else without_subaddress(person.key),
                files=tuple(file.attachment for file in outgoing_message.files if file.attachment),
            )
            for person in people
        )


def _why_not(kind: str, audience: Audience, conversation: Conversation) -> str:
    """Why a mail of this kind does not go out; "" if it does."""
    if audience.to_requester and kind not in BY_PEOPLE and not conversation.answerable:
        return "the customer's mail came from a machine"
    if not audience.to:
        return PRIVATE if audience.private else "no recipients"
    return ""


def _about(mail: IssueMail, profile: SenderProfile, conversation: Conversation) -> dict[str, Any]:
    """The template variables of the issue and of its conversation: for third parties nothing about the customer."""
    about = profile.about(mail.issue)
    if mail.kind == THIRD_PARTY:
        return {"issue": {name: about["issue"][name] for name in OF_AN_ISSUE}, "project": about["project"]}
    return {
        **about,
        "agent": {"name": ""},
        "question": NO_QUESTION,
        "fields": CustomFieldValues(),
        "thread": {"subject": conversation.subject, "reply_subject": conversation.reply_subject},
        "history": [{"author": mail.author, "date": mail.date, "text": mail.text} for mail in conversation.history],
    }


def _agent(values: Mapping[str, Any]) -> str:
    """The name of the agent whose words a mail holds; "" if it holds none."""
    return str(values.get("note", {}).get("author", ""))


_QUOTING = re.compile(r"^q[0-9]{1,18}-")


def _serial(key: str, quoted: int = 0) -> str:
    """Given what a mail is about, and the note that it quotes (0: none), return the short serial of its
    Message-ID, from which sending reads which note to check again.
    """
    plain = len(key) <= 40 and all(c in "0123456789abcdefghijklmnopqrstuvwxyz-" for c in key) and key
    serial = plain or hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"q{quoted}-{serial}" if quoted else serial

"""Mail to people about an issue, and to admins: composed, kept within the limits, and queued once.

    kind, issue, key ──▶ Message-ID (always the same) ──▶ what may be read now ──▶ template ──▶ thread ──▶ outbox,
                                                                                       a row for each person

A second call with the same kind, issue and key, after a crash or by mistake, queues nothing new. No mail is composed
about an issue that Redmine does not show now, and none to the customer and those in Cc about one that is not public,
unless the mailbox allows it (`private_projects`).
"""

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.mail.message_ids import TO_TEAM
from redmine_mailbridge.mail.no_reply import takes_no_reply
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.outgoing.addresses import comparable, mailable, without_tag
from redmine_mailbridge.outgoing.conversation import Conversation, ConversationFinder
from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.message import BY_PEOPLE, OutgoingFile, OutgoingMessage
from redmine_mailbridge.outgoing.rate_limits import held_back
from redmine_mailbridge.outgoing.sender_profile import SenderProfile
from redmine_mailbridge.outgoing.template_variables import CustomFieldValues
from redmine_mailbridge.redmine.issue_visibility import ShowIssue, VisibleIssue
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.outbox import NewAnswer, Outbox
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)


Variables = Mapping[str, Any] | Callable[[VisibleIssue], Mapping[str, Any]]
"""What a template may speak of beside the issue; where it depends on what may be read now, asked of that."""
NO_QUESTION: Mapping[str, Any] = {"journal": 0, "text": "", "html": "", "author": "", "date": Moment(None)}
"""What a reminder quotes where nothing was asked."""
PRIVATE = "the project or the issue is private (answers.private_projects)"


@dataclass(frozen=True, slots=True)
class ComposedMail:
    """The mails of one letter, one for each person; none, and why not, when it does not go out. `without` are those
    whom no mail can go to; `not_to_requester` says why it goes to others only, where it was meant for the customer too.
    """

    mails: tuple[NewAnswer, ...] = ()
    why_not: str = ""
    without: tuple[Address, ...] = ()
    not_to_requester: str = ""


@dataclass(frozen=True, slots=True)
class _Audience:
    """Who gets a mail. `private`: somebody does not, since the issue is not public."""

    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    to_requester: bool
    private: bool
    without: tuple[Address, ...]


class IssueMailer:
    """Composes and queues mail. Thread-safe. `look` asks Redmine for an issue as it is now; `own_addresses` are never
    written to; `system` is the profile for mail to admins, None if nothing can be sent.
    """

    def __init__(
        self,
        profiles: Mapping[str, SenderProfile],
        outbox: Outbox,
        threads: ConversationFinder,
        *,
        look: ShowIssue,
        own_addresses: Collection[str],
        system: SenderProfile | None,
        clock: Callable[[], float],
    ) -> None:
        self.profiles = profiles
        self._outbox = outbox
        self._threads = threads
        self.look = look
        self._own_addresses = frozenset(map(comparable, own_addresses))
        self._system = system
        self._clock = clock

    def with_kinds(self, *kinds: str) -> "IssueMailer":
        """Return a mailer for which these kinds are enabled whatever the settings say."""
        profiles = {name: replace(profile, kinds=profile.kinds.union(kinds)) for name, profile in self.profiles.items()}
        return IssueMailer(
            profiles, self._outbox, self._threads,
            look=self.look, own_addresses=self._own_addresses, system=self._system, clock=self._clock,
        )  # fmt: skip

    def queue(  # noqa: PLR0917 - the contract of whoever sends mail about an issue
        self,
        kind: str,
        issue: IssueRow,
        key: str,
        to: Sequence[Address],
        variables: Variables,
        attachments: Sequence[OutgoingFile] = (),
    ) -> str:
        """Given a kind of mail, its issue, what it is about (a rule's application …), to whom it goes and what the
        kind's template may speak of beside the issue, queue it. Return the line for the record.
        """
        if self._is_queued(kind, issue, key):
            return f"queued before: {kind} mail about #{issue.id}"
        made = self.compose(kind, issue, key, to, variables, attachments=attachments)
        if not made.mails:
            return f"no {kind} mail: {made.why_not}"
        lines = [line for _, line in self._outbox.queue(made.mails, mail_id=issue.mail_id)]
        return "; ".join(
            [*lines, *([f"not to the customer: {made.not_to_requester}"] if made.not_to_requester else [])]
        )

    def _is_queued(self, kind: str, issue: IssueRow, key: str) -> bool:
        """Is this mail in the outbox, whichever note it quotes?"""
        profile, plain = self.profiles.get(issue.mailbox), _serial(key)
        if profile is None:
            return False
        signed = map(profile.signer.read, self._outbox.message_ids(issue.id, kind))
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

    def compose(  # noqa: PLR0911 - a list of reasons
        self,
        kind: str,
        issue: IssueRow,
        key: str,
        to: Sequence[Address],
        variables: Variables,
        *,
        attachments: Sequence[OutgoingFile] = (),
        cc: Sequence[Address] = (),
        now: tuple[VisibleIssue, Conversation] | None = None,
        template: str = "",
    ) -> ComposedMail:
        """As `queue`, without queueing: return the mails, for whoever queues them with something else at once.

        `now` is the issue as Redmine shows it at this moment and its conversation, for whoever has asked just now;
        `template` is the one that speaks, where it is not that of the kind. Raise RedmineUnavailable.
        """
        profile, template_name = self.profiles.get(issue.mailbox), template or kind
        if profile is None:
            return ComposedMail(why_not=f"mailbox {issue.mailbox} has nowhere to send by")
        if template_name not in profile.kinds:
            return ComposedMail(why_not=f"it is switched off for mailbox {issue.mailbox}")
        now = now or self._now(issue)
        if now is None:
            return ComposedMail(why_not="Redmine does not show the issue any more")
        visible, thread = now
        people = self._audience(kind, issue, to, cc, visible_to_customer=visible.public or profile.private_projects)
        if people.to_requester and kind not in BY_PEOPLE and not thread.answerable:
            return ComposedMail(why_not="the customer's mail came from a machine")
        if not people.to:
            return ComposedMail(why_not=PRIVATE if people.private else "no recipients", without=people.without)
        given = variables(visible) if callable(variables) else variables
        try:
            values = {**profile.variables(self._clock()), **profile.about(issue), **_of_thread(thread), **given}
            language = profile.language_for(template_name, thread.language)
            texts = profile.mail(template_name, language, values, issue.id)
        except SettingsError as error:
            log.warning("mail.template_failed", kind=kind, issue=issue.id, reason=str(error))
            return ComposedMail(why_not=str(error))
        serial = _serial(key, values["question"]["journal"])
        outgoing_message = OutgoingMessage(
            kind=kind,
            sender=profile.sender if kind in TO_TEAM else profile.sender_for(thread.written_to),
            to=people.to[0],
            subject=texts.subject,
            text=texts.text,
            html=texts.html,
            message_id=profile.signer.message_id(kind, issue.id, serial, profile.sender.host),
            in_reply_to=thread.in_reply_to,
            references=thread.references,
            loop_value=profile.signer.instance,
            other_recipients=people.to[1:],
            cc=people.cc,
            files=tuple(attachments),
            thread_topic=thread.subject,
            thread_index=thread.index,
        )
        mails = self._copies(profile, outgoing_message, issue.id)
        return ComposedMail(mails, without=people.without, not_to_requester=PRIVATE if people.private else "")

    def _now(self, issue: IssueRow) -> tuple[VisibleIssue, Conversation] | None:
        visible = self.look(issue.id)
        return None if visible is None else (visible, self._threads.of(issue, visible))

    def _audience(
        self, kind: str, issue: IssueRow, to: Sequence[Address], cc: Sequence[Address], *, visible_to_customer: bool
    ) -> "_Audience":
        """Who of these people gets the mail; `visible_to_customer`: the customer may know of the issue."""
        requester = comparable(issue.requester)
        asked = any(comparable(person.address) == requester for person in to)
        if not visible_to_customer:
            to, cc = [person for person in to if comparable(person.address) != requester], ()
        first, copied = self.reachable(to, kind), self.reachable(cc, kind)
        if not first:
            first, copied = copied[:1], copied[1:]
        keys = {person.key for person in first}
        return _Audience(
            to=tuple(first),
            cc=tuple(person for person in copied if person.key not in keys),
            to_requester=asked and visible_to_customer,
            private=not visible_to_customer and (asked or not to),
            without=tuple(person for person in (*to, *cc) if mailable(person) is None),
        )

    def thread(self, issue: IssueRow, visible: VisibleIssue) -> Conversation:
        """The conversation that a mail about this issue continues."""
        return self._threads.of(issue, visible)

    def reachable(self, people: Sequence[Address], kind: str) -> list[Address]:
        """Those of these people whom we may write to, each once: never ourselves, nor by a machine to machines."""
        able = [person for person in map(mailable, people) if person is not None and not self._is_own(person)]
        by_key = {person.key: person for person in reversed(able)}
        kept = [by_key[key] for key in dict.fromkeys(person.key for person in able)]
        return [person for person in kept if kind in BY_PEOPLE or not takes_no_reply(person)]

    def _is_own(self, person: Address) -> bool:
        return bool({person.key, without_tag(person.key)} & self._own_addresses)

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
                person="" if outgoing_message.kind in BY_PEOPLE else without_tag(person.key),
            )
            for person in people
        )


def _of_thread(thread: Conversation) -> dict[str, Any]:
    """The template variables of the conversation."""
    return {
        "agent": {"name": ""},
        "question": NO_QUESTION,
        "fields": CustomFieldValues(),
        "thread": {"subject": thread.subject, "reply_subject": thread.reply_subject},
        "history": [{"author": mail.author, "date": mail.date, "text": mail.text} for mail in thread.history],
    }


_QUOTING = re.compile(r"^q[0-9]{1,18}-")


def _serial(key: str, quoted: int = 0) -> str:
    """Given what a mail is about, and the note that it quotes (0: none), return the short serial of its
    Message-ID, from which sending reads which note to check again.
    """
    plain = len(key) <= 40 and all(c in "0123456789abcdefghijklmnopqrstuvwxyz-" for c in key) and key
    serial = plain or hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"q{quoted}-{serial}" if quoted else serial

"""Composes the auto-replies of a plan for the outbox. They are queued in the transaction that closes the mail."""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.mail.language import language_of
from redmine_mailbridge.mail.mime.address_syntax import without_subaddress
from redmine_mailbridge.mail.mime.mailable import comparable, mailable
from redmine_mailbridge.mail.no_reply import takes_no_reply
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.model.pending_replies import PendingReplies
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.outgoing.addresses import is_mail_system, plain_name
from redmine_mailbridge.outgoing.conversation import quotable
from redmine_mailbridge.outgoing.dates import Moment
from redmine_mailbridge.outgoing.message import OutgoingMessage
from redmine_mailbridge.outgoing.personal_names import as_written
from redmine_mailbridge.outgoing.rate_limits import held_back
from redmine_mailbridge.outgoing.reasons import reason
from redmine_mailbridge.outgoing.sender_profile import SenderProfile, person
from redmine_mailbridge.outgoing.template_variables import NamedText
from redmine_mailbridge.store.outgoing.adding import NewAnswer
from redmine_mailbridge.util.dataclass import dataclass
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)

REFUSALS = frozenset({"refused"})


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """What is answered: a stored mail, its parsed message, and its issue, if any."""

    row: StoredMail
    message: Message
    issue: int | None

    def answer_id(self, kind: str, profile: SenderProfile) -> str:
        """The Message-ID of the auto-reply: always the same for a mail and kind, so that it is queued once."""
        serial = f"{self.row.id}-{hashlib.sha256(self.message.message_id.encode()).hexdigest()[:12]}"
        host = profile.sender.host
        if self.issue is None:
            return f"{kind}.{serial}.{profile.signer.short_instance}@{host}"
        return profile.signer.message_id(kind.replace("_", ""), self.issue, serial, host)


class AutoReplies:
    """Composes auto-replies. Safe to share among threads. A mailbox without a sender profile sends nothing. `ours` are
    addresses that never get a reply, nor do their subaddresses, even if a mail names them in Reply-To.
    """

    def __init__(
        self,
        profiles: Mapping[str, SenderProfile],
        now: Callable[[], dt.datetime] | None = None,
        ours: Collection[str] = (),
    ) -> None:
        self._profiles = profiles
        self._ours = frozenset(map(comparable, ours))
        self._now = now or (lambda: dt.datetime.now(dt.UTC))

    def to(
        self, row: StoredMail, message: Message, pending_replies: PendingReplies, *, issue: int | None
    ) -> tuple[NewAnswer, ...]:
        """Given a processed mail, its pending replies and its issue, return the mails to send. Never raise: if a reply
        cannot be composed, the history says why.
        """
        profile = self._profiles.get(row.location.mailbox)
        if profile is None:
            return ()
        context = ReplyContext(row, message, issue)
        return tuple(
            self._safely(profile, kind, context, pending_replies)
            for kind in pending_replies.kinds
            if kind in profile.kinds
        )

    def _safely(
        self, profile: SenderProfile, kind: str, context: ReplyContext, pending_replies: PendingReplies
    ) -> NewAnswer:
        try:
            return self._answer(profile, kind, context, pending_replies)
        except MailbridgeError as error:
            log.warning("answer.left_out", id=context.row.id, kind=kind, reason=str(error))
            why = str(error)
        except Exception as error:  # noqa: BLE001 - an error here does not affect the mail that is answered
            name = type(error).__name__
            log.error("answer.fault", id=context.row.id, kind=kind, fault=name, where=where(error))  # noqa: TRY400 - may quote it
            why = fault(error)
        own_id = f"{kind}.{context.row.id}.none@{profile.sender.host}"
        return _none(profile, kind, own_id, context, context.message.sender, f"no answer: {why}")

    def _why_not(self, to: Address) -> str:
        """The reason for sending no reply to an address; "" when there is none."""
        if {to.key, without_subaddress(to.key)} & self._ours:
            return "it is one of the bridge's own addresses"
        return "it does not accept replies" if takes_no_reply(to) or is_mail_system(to.key) else ""

    def _answer(
        self, profile: SenderProfile, kind: str, context: ReplyContext, pending_replies: PendingReplies
    ) -> NewAnswer:
        message, issue, proven = context.message, context.issue, pending_replies.proven
        reply_to = _answer_address(message, pending_replies, anybody=profile.trust_reply_to)
        to = mailable(reply_to)
        why = "it is not a valid address" if to is None else self._why_not(to)
        if pending_replies.address and not (proven or pending_replies.vouched or profile.trust_reply_to):
            why = f"the mail from {message.sender.key} that names this address is not proven (answers.trust_reply_to)"
        if to is None or why:
            return _none(profile, kind, context.answer_id(kind, profile), context, reply_to, f"no answer: {why}")
        writer = pending_replies.address or message.sender.address
        proven = proven and reply_to.key == writer.lower()  # a proven sender does not prove another Reply-To
        to = to if proven else Address(plain_name(to.name), to.address)
        language = profile.language_for(kind, language_of(message))
        variables = _variables(
            profile, context, replace(pending_replies, proven=proven), self._now().timestamp(), language
        )
        texts = profile.mail(kind, language, variables, issue)
        own_id = context.answer_id(kind, profile)
        outgoing_message = OutgoingMessage(
            kind=kind,
            sender=profile.sender_for(
                (*(recipient.address for recipient in message.recipients), *message.recipients_of_record)
            ),
            to=to,
            subject=texts.subject,
            text=texts.text,
            html=texts.html,
            message_id=own_id,
            in_reply_to="" if message.message_id_made else message.message_id,
            references=message.references,
            loop_value=profile.signer.instance,
        )
        return NewAnswer(
            mailbox=profile.mailbox,
            kind=kind,
            sender=profile.sender.address,
            recipient=to.address,
            message_id=own_id,
            content=outgoing_message.as_bytes(self._now()),
            why_not=lambda count: held_back(count, refusal=kind in REFUSALS),
            issue=issue,
            person=without_subaddress(to.key),
        )


def _none(profile: SenderProfile, kind: str, own_id: str, context: ReplyContext, to: Address, why: str) -> NewAnswer:  # noqa: PLR0917
    """A reply that is never queued; the history says why."""
    return NewAnswer(
        profile.mailbox, kind, profile.sender.address, to.address, own_id, b"", lambda _count: why, context.issue
    )


def _answer_address(message: Message, pending_replies: PendingReplies, *, anybody: bool) -> Address:
    """The address of a reply: the account's, if it is about an agent's own reply; the person behind the From address,
    if the plan found one; else the first Reply-To, else
    From (RFC 5322 section 3.6.2). An address other than From's is used only if the sender is proven, or `anybody` is
    set: otherwise a sender could make the program write to any address.
    """
    if pending_replies.account or "withheld" in pending_replies.kinds:
        return Address("", pending_replies.account)
    if pending_replies.address:
        return Address(pending_replies.name, pending_replies.address)
    reply_to = next((address for address in message.reply_to if address.domain), message.sender)
    named = anybody or pending_replies.proven or reply_to.key == message.sender.key
    return reply_to if named else message.sender


def _variables(
    profile: SenderProfile, context: ReplyContext, pending_replies: PendingReplies, now: float, language: str
) -> dict[str, object]:
    """The template variables. Without proof that the recipient wrote the mail, they contain nothing of its text:
    otherwise anyone could have a text sent to any address.
    """
    message, issue, proven = context.message, context.issue, pending_replies.proven
    url = profile.redmine_url.rstrip("/")
    subject = message.subject if proven else ""
    about = {
        "id": issue,
        "subject": (pending_replies.subject or subject) if proven else "",
        "url": f"{url}/issues/{issue}",
    }
    requester = message.sender
    if pending_replies.address:
        requester = Address(pending_replies.name, pending_replies.address)
    if pending_replies.account and not proven:
        requester = Address("", pending_replies.account)
    name = requester.name if proven else plain_name(as_written(requester.name))
    return profile.variables(now) | {
        **({"issue": about} if issue else {}),
        "requester": person(name, requester.address),
        "project": NamedText(pending_replies.project, url=f"{url}/projects/{pending_replies.project}"),
        "mail": {"subject": subject, "date": Moment(message.date), "text": quotable(message) if proven else ""},
        "reason": reason(pending_replies.rejection_reason, language),
        "login": pending_replies.login,
    }

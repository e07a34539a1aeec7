"""Turns what a plan earns into a mail in the outbox: queued with the end of the mail it answers, or not at all."""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import structlog

from redmine_mailbridge.errors import MailbridgeError
from redmine_mailbridge.mail.automatic import takes_no_reply
from redmine_mailbridge.model.mail import Address, Message
from redmine_mailbridge.model.pending_replies import Earned
from redmine_mailbridge.model.stored_mail import MailRow
from redmine_mailbridge.outgoing.addresses import comparable, is_mail_system, mailable, plain_name, without_tag
from redmine_mailbridge.outgoing.message import Letter
from redmine_mailbridge.outgoing.rate_limits import held_back
from redmine_mailbridge.outgoing.reasons import reason
from redmine_mailbridge.outgoing.sender_profile import Desk
from redmine_mailbridge.outgoing.template_variables import Named
from redmine_mailbridge.store.outbox import NewAnswer
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)

REFUSALS = frozenset({"refused"})


@dataclass(frozen=True, slots=True)
class Cause:
    """What is answered: a mail of the store, read, and the issue that it led to, if any."""

    row: MailRow
    message: Message
    issue: int | None

    def answer_id(self, kind: str, desk: Desk) -> str:
        """The Message-ID of the answer: always the same for the same mail and kind, so that it is queued once."""
        serial = f"{self.row.id}-{hashlib.sha256(self.message.message_id.encode()).hexdigest()[:12]}"
        host = desk.sender.host
        if self.issue is None:
            return f"{kind}.{serial}.{desk.signer.short_instance}@{host}"
        return desk.signer.message_id(kind.replace("_", ""), self.issue, serial, host)


class Answers:
    """Composes answers. Safe to share among threads. A mailbox without a desk sends nothing. `ours` are the addresses
    that are never written to, nor their subaddresses, also when a mail asks for it by its Reply-To.
    """

    def __init__(
        self, desks: Mapping[str, Desk], now: Callable[[], dt.datetime] | None = None, ours: Collection[str] = ()
    ) -> None:
        self._desks = desks
        self._ours = frozenset(map(comparable, ours))
        self._now = now or (lambda: dt.datetime.now(dt.UTC))

    def to(self, row: MailRow, message: Message, earned: Earned, *, issue: int | None) -> tuple[NewAnswer, ...]:
        """Given a mail at its end, what it earns and its issue, return the mails to send. Never raises: an answer that
        cannot be composed is none, and its line says so.
        """
        desk = self._desks.get(row.location.mailbox)
        if desk is None:
            return ()
        cause = Cause(row, message, issue)
        return tuple(self._safely(desk, kind, cause, earned) for kind in earned.kinds if kind in desk.kinds)

    def _safely(self, desk: Desk, kind: str, cause: Cause, earned: Earned) -> NewAnswer:
        try:
            return self._one(desk, kind, cause, earned)
        except MailbridgeError as error:
            log.warning("answer.left_out", id=cause.row.id, kind=kind, reason=str(error))
            why = str(error)
        except Exception as error:  # noqa: BLE001 - the mail that is answered has come to its end, whatever this brings up
            name = type(error).__name__
            log.error("answer.fault", id=cause.row.id, kind=kind, fault=name, where=where(error))  # noqa: TRY400 - may quote it
            why = fault(error)
        own_id = f"{kind}.{cause.row.id}.none@{desk.sender.host}"
        return _none(desk, kind, own_id, cause, cause.message.sender, f"no answer: {why}")

    def _why_not(self, to: Address) -> str:
        """Why no answer goes to an address; "" when one may."""
        if {to.key, without_tag(to.key)} & self._ours:
            return "it is ours"
        return "it takes no replies" if takes_no_reply(to) or is_mail_system(to.key) else ""

    def _one(self, desk: Desk, kind: str, cause: Cause, earned: Earned) -> NewAnswer:
        message, issue, proven = cause.message, cause.issue, earned.proven
        wanted = _answer_address(message, anybody=proven or desk.trust_reply_to)
        to = mailable(wanted)
        if to is None or (why := self._why_not(to)):
            why = "it is no address" if to is None else why
            return _none(desk, kind, cause.answer_id(kind, desk), cause, wanted, f"no answer: {why}")
        proven = proven and wanted.key == message.sender.key  # who wants it sent elsewhere proves nothing of elsewhere
        to = to if proven else Address(plain_name(to.name), to.address)
        variables = _variables(desk, cause, replace(earned, proven=proven), self._now().timestamp())
        texts = desk.finished(desk.templates.safely(kind, desk.language, variables), issue)
        own_id = cause.answer_id(kind, desk)
        letter = Letter(
            kind=kind,
            sender=desk.sender,
            to=to,
            subject=texts.subject,
            text=texts.text,
            html=texts.html,
            message_id=own_id,
            in_reply_to="" if message.message_id_made else message.message_id,
            references=message.references,
            loop_value=desk.signer.instance,
        )
        return NewAnswer(
            mailbox=desk.mailbox,
            kind=kind,
            sender=desk.sender.address,
            recipient=to.address,
            message_id=own_id,
            content=letter.as_bytes(self._now()),
            why_not=lambda count: held_back(count, refusal=kind in REFUSALS),
            issue=issue,
            person=without_tag(to.key),
        )


def _none(desk: Desk, kind: str, own_id: str, cause: Cause, to: Address, why: str) -> NewAnswer:  # noqa: PLR0917
    """An answer that is never queued: the record says why."""
    return NewAnswer(desk.mailbox, kind, desk.sender.address, to.address, own_id, b"", lambda _count: why, cause.issue)


def _answer_address(message: Message, *, anybody: bool) -> Address:
    """Where an answer goes: the first Reply-To, else From (RFC 5322 section 3.6.2). To another address than From's only
    when `anybody` may be named: else whoever writes a mail has us write to whom he likes.
    """
    wanted = next((address for address in message.reply_to if address.domain), message.sender)
    return wanted if anybody or wanted.key == message.sender.key else message.sender


def _variables(desk: Desk, cause: Cause, earned: Earned, now: float) -> dict[str, object]:
    """What the templates may speak of. Where nothing proves that who gets the answer wrote the mail, that is nothing of
    its text: we would carry it to whomever it names.
    """
    message, issue, proven = cause.message, cause.issue, earned.proven
    url = desk.redmine_url.rstrip("/")
    subject = message.subject if proven else ""
    about = {"id": issue, "subject": (earned.subject or subject) if proven else "", "url": f"{url}/issues/{issue}"}
    name = message.sender.name if proven else plain_name(message.sender.name)
    return desk.variables(now) | {
        **({"issue": about} if issue else {}),
        "requester": {"name": name, "address": message.sender.address},
        "project": Named(earned.project, url=f"{url}/projects/{earned.project}"),
        "mail": {"subject": subject, "date": f"{message.date:%Y-%m-%d %H:%M}" if message.date else ""},
        "reason": reason(earned.told, desk.language),
        "login": earned.login,
    }

"""Turns what a plan earns into a mail in the outbox: queued with the end of the mail it answers, or not at all."""

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Self

import structlog

from redmine_mailbridge.errors import SettingsError
from redmine_mailbridge.mail.automatic import takes_no_reply
from redmine_mailbridge.mail.message import Address, Message
from redmine_mailbridge.outgoing.addresses import mailable
from redmine_mailbridge.outgoing.letter import Letter
from redmine_mailbridge.outgoing.limits import held_back
from redmine_mailbridge.outgoing.variables import Named
from redmine_mailbridge.routing.plan import Plan
from redmine_mailbridge.store.outbox import NewAnswer
from redmine_mailbridge.store.rows import MailRow
from redmine_mailbridge.tasks.desk import Desk

log = structlog.get_logger(__name__)

REFUSALS = frozenset({"refused"})


@dataclass(frozen=True, slots=True)
class Earned:
    """The answers that a mail earns, with what their templates tell; kept with the intent: a crash loses none."""

    kinds: tuple[str, ...] = ()
    subject: str = ""
    project: str = ""
    reason: str = ""
    login: str = ""

    @classmethod
    def by(cls, plan: Plan) -> Self:
        """What a plan earns."""
        notice = plan.new_user is not None and plan.new_user.own_notice
        return cls(
            kinds=tuple(kind for kind in (plan.template, "registration" if notice else None) if kind),
            subject=plan.fields.subject or "",
            project=plan.project or "",
            reason=plan.reason,
            login=plan.new_user.login if plan.new_user else "",
        )


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
    that are never written to (lower case), also when a mail asks for it by its Reply-To.
    """

    def __init__(
        self, desks: Mapping[str, Desk], now: Callable[[], dt.datetime] | None = None, ours: Collection[str] = ()
    ) -> None:
        self._desks = desks
        self._ours = frozenset(ours)
        self._now = now or (lambda: dt.datetime.now(dt.UTC))

    def to(self, row: MailRow, message: Message, earned: Earned, *, issue: int | None) -> tuple[NewAnswer, ...]:
        """Given a mail at its end, what it earns and its issue, return the mails to send."""
        desk = self._desks.get(row.location.mailbox)
        if desk is None:
            return ()
        cause = Cause(row, message, issue)
        return tuple(self._one(desk, kind, cause, earned) for kind in earned.kinds if kind in desk.kinds)

    def _one(self, desk: Desk, kind: str, cause: Cause, earned: Earned) -> NewAnswer:
        message, issue = cause.message, cause.issue
        wanted = _answer_address(message)
        to = mailable(wanted)
        if to is None or to.key in self._ours or takes_no_reply(to):
            why = "it is no address" if to is None else "it is ours" if to.key in self._ours else "it takes no replies"
            return _none(desk, kind, cause, wanted, f"no answer: {why}")
        try:
            variables = _variables(desk, cause, earned, self._now().timestamp())
            texts = desk.finished(desk.templates.safely(kind, desk.language, variables), issue)
        except SettingsError as error:
            log.warning("answer.template", kind=kind, reason=str(error))
            return _none(desk, kind, cause, wanted, f"no answer: {error}")
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
        )


def _none(desk: Desk, kind: str, cause: Cause, to: Address, why: str) -> NewAnswer:
    """An answer that is never queued: the record says why."""
    own_id = cause.answer_id(kind, desk)
    return NewAnswer(desk.mailbox, kind, desk.sender.address, to.address, own_id, b"", lambda _count: why, cause.issue)


def _answer_address(message: Message) -> Address:
    """Where an answer goes: the first Reply-To, else From (RFC 5322 section 3.6.2)."""
    return next((address for address in message.reply_to if address.domain), message.sender)


def _variables(desk: Desk, cause: Cause, earned: Earned, now: float) -> dict[str, object]:
    message, issue = cause.message, cause.issue
    url = desk.redmine_url.rstrip("/")
    about = {"id": issue, "subject": earned.subject or message.subject, "url": f"{url}/issues/{issue}"}
    return desk.variables(now) | {
        **({"issue": about} if issue else {}),
        "requester": {"name": message.sender.name, "address": message.sender.address},
        "project": Named(earned.project, url=f"{url}/projects/{earned.project}"),
        "mail": {"subject": message.subject, "date": f"{message.date:%Y-%m-%d %H:%M}" if message.date else ""},
        "reason": earned.reason,
        "login": earned.login,
    }

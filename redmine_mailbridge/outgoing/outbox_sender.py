"""Sends queued mail from the outbox: one batch per mailbox, within its limits; retries later if the server is away.

A mail to several people is offered once for each over SMTP. A transport without an envelope (Microsoft Graph) gets it
once for those of them whose turn it is.

A server's response applies to one mail: that mail is deferred or refused, and the next one is offered. If the server
ends the connection at a mail, that mail is deferred and the next one gets a new connection; the whole batch is deferred
only if the server cannot be reached or does so repeatedly. A mail is given up some days after it was first offered,
regardless of its time in the queue.
"""

import threading
from collections.abc import Callable, Mapping, Sequence

import structlog

from redmine_mailbridge.errors import MailbridgeError, MailMalformed, SendingDeferred, SendingRefused
from redmine_mailbridge.outgoing.message import BY_PEOPLE, FIELDS
from redmine_mailbridge.outgoing.mime import inspect_again
from redmine_mailbridge.outgoing.sent_copier import SentCopier
from redmine_mailbridge.outgoing.smtp import MessageTransport, Transport
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.outgoing.answers import ANSWER
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import LIMIT_REACHED, QueuedMail
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

Ask = Callable[[QueuedMail], str]
"""Given a mail, why it must not be sent; "" when it may. Raises MailbridgeError if that cannot be determined."""
BATCH = 50
DAY, MINUTE = 86_400.0, 60.0
GIVE_UP, GIVE_UP_AUTOMATIC = 5 * DAY, 2 * DAY
"""Seconds after which a mail that the server keeps deferring is given up (RFC 5321 section 4.5.4.1); automatic mail
loses its value sooner."""
SOON = 5.0
"""Seconds after which a mail that was due but not offered is retried."""
BREAKS = 5
"""How often in a row the server may end the connection, or refuse us as its sender, before it counts as away."""


@dataclass(frozen=True, slots=True)
class SendingAccount:
    """How one mailbox's mail leaves. Limits are counts; 0 means unlimited. `account` are the mailboxes, including
    this one, that send by the same account: mail sent by any of them counts for all. `reserved` of the daily limit are
    for mail that agents write: automatic mail does not use them. `reports`: an issue is updated when an agent's note
    about it was sent (`store/outgoing/answers.py`).
    """

    open: Callable[[], Transport]
    daily_limit: int
    per_minute: int
    account: Sequence[str]
    reserved: int = 0
    reports: bool = False


@dataclass(slots=True)
class SendResult:
    """What one pass sent, and what is left waiting. `error` is why mail that waits is not sent: the line of the first
    mailbox whose server did not take it when it was last offered, in this pass or before. `is_known`: nothing waits
    that was not offered since the start.
    """

    sent: int = 0
    failed: int = 0
    waiting: int = 0
    error: str | None = None
    is_known: bool = True


def nobody_asked() -> Ask:
    """The default without a check: every mail may be sent."""
    return lambda _mail: ""


class OutboxSender:
    """Sends for all mailboxes. `once` is called by one thread at a time. While `stopped` returns true, nothing is
    sent. `asking` returns, for a batch, the check that each mail must pass right before it is sent. `check_held` raises
    LockLost when another process may send.
    """

    def __init__(
        self,
        outbox: Outbox,
        lines: Mapping[str, SendingAccount],
        stop: threading.Event,
        stopped: Callable[[], bool] = lambda: False,
        asking: Callable[[], Ask] = nobody_asked,
        *,
        copier: SentCopier | None = None,
        check_held: Callable[[], object] = lambda: None,
    ) -> None:
        self._outbox = outbox
        self._lines = lines
        self._stop = stop
        self._stopped = stopped
        self._asking = asking
        self.copier = copier
        self._check_held = check_held
        self.last: SendResult | None = None
        """The result of the last pass."""
        self._errors: dict[str, str | None] = {}
        """By mailbox whose mail waits, the error of its last offer; most passes offer nothing, as retries wait."""

    def once(self) -> SendResult:
        """Send the mail that is due. Return the result, which includes SMTP errors; they are not raised."""
        result = SendResult()
        for mailbox, line in self._lines.items() if not self._stopped() else ():
            going = self._allowed(line, self._outbox.claim(mailbox, limit=BATCH, first=BY_PEOPLE))
            if going:
                result.error = None
                self._batch(line, going, result)
                self._errors[mailbox] = result.error
        waiting = self._outbox.waiting()
        self._errors = {mailbox: error for mailbox, error in self._errors.items() if mailbox in waiting}
        result.waiting, result.error = sum(waiting.values()), next(filter(None, self._errors.values()), None)
        result.is_known = self._errors.keys() >= waiting.keys() & self._lines.keys()
        self.last = result
        return result

    def save_copies(self) -> None:
        """Put copies of what was sent into the Sent folders that get some; apart from sending, which does not wait."""
        if self.copier is not None and not self._stopped():
            self.copier.once()

    def _allowed(self, line: SendingAccount, mails: Sequence[QueuedMail]) -> list[QueuedMail]:
        """The due mails that the limits allow now; the others are deferred."""
        going: list[QueuedMail] = []
        people, rest = self._left(line) if mails else (0, 0)
        for mail in mails:
            by_people = mail.kind in BY_PEOPLE
            if (people if by_people else rest) > 0:
                going.append(mail)
                people -= 1
                rest = min(rest - (not by_people), people)
            else:
                self._outbox.later(mail, LIMIT_REACHED, counts=False)
        return going

    def _left(self, line: SendingAccount) -> tuple[int, int]:
        """How many mails by people (full limit) and how many automatic ones (their share) may be sent now."""
        people = rest = BATCH
        for most, seconds, reserved in ((line.daily_limit, DAY, line.reserved), (line.per_minute, MINUTE, 0)):
            if most:
                people = min(people, most - self._outbox.sent_since(line.account, seconds))
                automatic = self._outbox.sent_since(line.account, seconds, but=BY_PEOPLE) if reserved else 0
                rest = min(rest, most - reserved - automatic)
        return people, min(people, rest)

    def _batch(self, line: SendingAccount, mails: list[QueuedMail], result: SendResult) -> None:
        waiting, broken, ask = list(mails), list[str](), self._asking()
        try:
            with line.open() as transport:
                while waiting and len(broken) < BREAKS and not self._stop.is_set():
                    together = _together(transport, waiting)
                    going = [mail for mail in together if self._may_leave(mail, ask, result)]
                    waiting = [*going, *(mail for mail in waiting if mail not in together)]
                    words = self._send(transport, going, result) if going else ""
                    waiting = waiting[len(going) :]
                    broken = [*broken, words] if words else []
        except SendingDeferred as error:
            result.error = result.error or str(error)
            log.warning("sending.deferred", reason=str(error), waiting=len(waiting))
            for mail in waiting:
                self._outbox.later(mail, str(error), at_least=error.pause)
            return
        if len(broken) == BREAKS:
            result.error = result.error or broken[-1]
        for mail in waiting:
            self._outbox.later(mail, mail.reason, counts=False, after=SOON)

    def _may_leave(self, mail: QueuedMail, ask: Ask, result: SendResult) -> bool:
        """Is it still to be sent, and may the recipient still read it? If not, the mail stays discarded, or fails; if
        that cannot be determined, it waits.
        """
        if not self._outbox.is_queued(mail):
            log.info("sending.discarded", kind=mail.kind, issue=mail.issue)
            return False
        try:
            why = ask(mail)
        except MailbridgeError as error:
            log.warning("sending.visibility_unknown", kind=mail.kind, issue=mail.issue, reason=str(error))
            self._outbox.later(mail, f"Redmine does not say whether it may be read: {error}")
            return False
        if why:
            self._outbox.failed(mail, why)
            result.failed += 1
            log.warning("sending.withheld", kind=mail.kind, issue=mail.issue, reason=why)
        return not why

    def _send(self, transport: Transport, mails: Sequence[QueuedMail], result: SendResult) -> str:
        """Offer one mail, to those of its recipients whose rows these are. Return "" when the server has said what
        becomes of it; its words when it ended the connection or does not take us as the sender of any. Raise
        SendingDeferred when it is away for all.
        """
        mail = mails[0]
        try:
            inspect_again(mail.content, FIELDS)  # whoever composed it, and whenever
            with side_effect(SideEffect.SEND_MAIL):
                self._check_held()
                words = _offer(transport, mails)
        except (SendingRefused, MailMalformed) as error:
            if len(mails) > 1:  # for one of them, maybe
                return "".join([self._send(transport, [copy], result) for copy in mails])
            self._outbox.failed(mail, str(error), offered=isinstance(error, SendingRefused))
            result.failed += 1
            log.warning("sending.refused", kind=mail.kind, issue=mail.issue, reason=str(error))
            return ""
        except SendingDeferred as error:
            if error.whole:
                raise
            log.warning("sending.deferred", kind=mail.kind, issue=mail.issue, reason=str(error))
            if error.configuration:
                result.error = result.error or f"the server does not take what we send, until that is mended: {error}"
            for copy in mails:
                self._put_off(copy, error, result)
            return str(error) if error.ended or error.configuration else ""
        copied = self.copier is not None and mail.mailbox in self.copier.mailboxes
        for copy in mails:
            reports = copy.kind == ANSWER and self._lines[copy.mailbox].reports
            self._outbox.sent(copy, words, copy_due=copied, report_due=reports)
            result.sent += 1
            log.info("sending.sent", kind=copy.kind, issue=copy.issue)
        return ""

    def _put_off(self, mail: QueuedMail, error: SendingDeferred, result: SendResult) -> None:
        """Defer the mail; fail it once its deadline after the first offer has passed."""
        most, words = GIVE_UP if mail.kind in BY_PEOPLE else GIVE_UP_AUTOMATIC, str(error)
        if mail.offered_at is None or self._outbox.clock() - mail.offered_at < most:
            self._outbox.later(mail, words, offered=True, at_least=error.pause)
            return
        self._outbox.failed(mail, f"given up after {most / DAY:.0f} days: {words}")
        result.failed += 1


def _together(transport: Transport, waiting: Sequence[QueuedMail]) -> list[QueuedMail]:
    """Of what waits, the rows that are offered next: one, or all of its message where it is sent once."""
    first = waiting[0]
    if not isinstance(transport, MessageTransport):
        return [first]
    return [mail for mail in waiting if mail.message_id == first.message_id]


def _offer(transport: Transport, mails: Sequence[QueuedMail]) -> str:
    """Hand over one message. Return the server's words."""
    mail = mails[0]
    if isinstance(transport, MessageTransport):
        again = any(copy.offered_before for copy in mails)
        return transport.send_message([copy.recipient for copy in mails], mail.content, again=again)
    return transport.send(mail.sender, mail.recipient, mail.content)

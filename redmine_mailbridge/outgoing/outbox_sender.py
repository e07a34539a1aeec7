"""Sends what waits in the outbox: a batch a mailbox, within its limits, later where the server is away.

What the server says to one mail is that mail's: it waits or is refused, and the next one is offered. Where the server
ends the connection at a mail, that mail waits and the next one has a new connection; only a server that cannot be
reached, or that does so again and again, has all of them wait. A mail is given up a while after it was first offered,
never for having stood in a queue.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from redmine_mailbridge.errors import MailbridgeError, MailMalformed, SendingDeferred, SendingRefused
from redmine_mailbridge.outgoing.message import BY_PEOPLE, FIELDS
from redmine_mailbridge.outgoing.mime import inspect_again
from redmine_mailbridge.outgoing.smtp import Transport
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.outbox import Outbox, QueuedMail

log = structlog.get_logger(__name__)

Ask = Callable[[QueuedMail], str]
"""Given a mail, why it must not be sent; "" when it may. Raises MailbridgeError when nobody can tell."""
BATCH = 50
DAY, MINUTE = 86_400.0, 60.0
GIVE_UP, GIVE_UP_AUTOMATIC = 5 * DAY, 2 * DAY
"""Seconds after which a mail that the server puts off again and again is given up (RFC 5321 section 4.5.4.1); what the
bridge said by itself is worth less by then."""
SOON = 5.0
"""Seconds after which a mail has its turn that was to be sent and was not offered."""
BREAKS = 5
"""How often in a row the server may end the connection, or refuse us as its sender, before it counts as away."""


@dataclass(frozen=True, slots=True)
class Line:
    """How one mailbox's mail leaves. Limits are counts; 0 is no limit. `account` are the mailboxes, this one among
    them, that send by the same account: what any of them has sent counts for all. `reserved` of the daily limit are
    for what agents write: what the bridge says by itself does not use them up.
    """

    open: Callable[[], Transport]
    daily_limit: int
    per_minute: int
    account: Sequence[str]
    reserved: int = 0


@dataclass(slots=True)
class SendResult:
    """What one pass sent, and what is left waiting; `error` is the line of the first failure."""

    sent: int = 0
    failed: int = 0
    waiting: int = 0
    error: str | None = None


def nobody_asked() -> Ask:
    """Where nothing is asked, all may leave."""
    return lambda _mail: ""


class Sending:
    """Sends for all mailboxes. `once` is called by one thread at a time. While `stopped` says so, nothing leaves,
    whoever calls it. `asking` gives, for a batch, whom to ask about each mail right before it leaves.
    """

    def __init__(
        self,
        outbox: Outbox,
        lines: Mapping[str, Line],
        stop: threading.Event,
        stopped: Callable[[], bool] = lambda: False,
        asking: Callable[[], Ask] = nobody_asked,
    ) -> None:
        self._outbox = outbox
        self._lines = lines
        self._stop = stop
        self._stopped = stopped
        self._asking = asking
        self.last: SendResult | None = None
        """What the last pass did."""

    def once(self) -> SendResult:
        """Send what may go now. Return what was done; errors of SMTP are in it, not raised."""
        result = SendResult()
        for mailbox, line in self._lines.items() if not self._stopped() else ():
            going = self._allowed(line, self._outbox.claim(mailbox, limit=BATCH, first=BY_PEOPLE))
            if going:
                self._batch(line, going, result)
        result.waiting = self._outbox.waiting()
        self.last = result
        return result

    def _allowed(self, line: Line, mails: Sequence[QueuedMail]) -> list[QueuedMail]:
        """Of the mails that are due, those that may go now; the others wait for their turn."""
        going: list[QueuedMail] = []
        people, rest = self._left(line) if mails else (0, 0)
        for mail in mails:
            by_people = mail.kind in BY_PEOPLE
            if (people if by_people else rest) > 0:
                going.append(mail)
                people -= 1
                rest = min(rest - (not by_people), people)
            else:
                self._outbox.later(mail, "waits: the sending limit is reached", counts=False)
        return going

    def _left(self, line: Line) -> tuple[int, int]:
        """How many may go now of what people wrote, which may use up all, and of the rest, which has its share."""
        people = rest = BATCH
        for most, seconds, reserved in ((line.daily_limit, DAY, line.reserved), (line.per_minute, MINUTE, 0)):
            if most:
                people = min(people, most - self._outbox.sent_since(line.account, seconds))
                by_itself = self._outbox.sent_since(line.account, seconds, but=BY_PEOPLE) if reserved else 0
                rest = min(rest, most - reserved - by_itself)
        return people, min(people, rest)

    def _batch(self, line: Line, mails: list[QueuedMail], result: SendResult) -> None:
        waiting, broken, ask = list(mails), list[str](), self._asking()
        try:
            with line.open() as transport:
                while waiting and len(broken) < BREAKS and not self._stop.is_set():
                    words = self._one(transport, waiting[0], result) if self._may_leave(waiting[0], ask, result) else ""
                    waiting.pop(0)
                    broken = [*broken, words] if words else []
        except SendingDeferred as error:
            result.error = result.error or str(error)
            log.warning("sending.deferred", reason=str(error), waiting=len(waiting))
            for mail in waiting:
                self._outbox.later(mail, str(error))
            return
        if len(broken) == BREAKS:
            result.error = result.error or broken[-1]
        for mail in waiting:
            self._outbox.later(mail, mail.reason, counts=False, after=SOON)

    def _may_leave(self, mail: QueuedMail, ask: Ask, result: SendResult) -> bool:
        """May it still be read by whom it goes to? What may not has failed; what nobody can tell of waits."""
        try:
            why = ask(mail)
        except MailbridgeError as error:
            log.warning("sending.not_asked", kind=mail.kind, issue=mail.issue, reason=str(error))
            self._outbox.later(mail, f"Redmine does not say whether it may be read: {error}")
            return False
        if why:
            self._outbox.failed(mail, why)
            result.failed += 1
            log.warning("sending.withheld", kind=mail.kind, issue=mail.issue, reason=why)
        return not why

    def _one(self, transport: Transport, mail: QueuedMail, result: SendResult) -> str:
        """Offer one mail. Return "" when the server has said what becomes of it; its words when it ended the connection
        or does not take us as the sender of any. Raise SendingDeferred when it is away for all.
        """
        try:
            inspect_again(mail.content, FIELDS)  # whoever composed it, and whenever
            with effect(Effect.SEND_MAIL):
                words = transport.send(mail.sender, mail.recipient, mail.content)
        except (SendingRefused, MailMalformed) as error:
            self._outbox.failed(mail, str(error))
            result.failed += 1
            log.warning("sending.refused", kind=mail.kind, issue=mail.issue, reason=str(error))
            return ""
        except SendingDeferred as error:
            if error.whole:
                raise
            log.warning("sending.deferred", kind=mail.kind, issue=mail.issue, reason=str(error))
            if error.configuration:
                result.error = result.error or f"the server does not take what we send, until that is mended: {error}"
            self._put_off(mail, str(error), result)
            return str(error) if error.ended or error.configuration else ""
        self._outbox.sent(mail, words)
        result.sent += 1
        log.info("sending.sent", kind=mail.kind, issue=mail.issue)
        return ""

    def _put_off(self, mail: QueuedMail, words: str, result: SendResult) -> None:
        """Try again later; some days after it was first offered, no more."""
        most = GIVE_UP if mail.kind in BY_PEOPLE else GIVE_UP_AUTOMATIC
        if mail.offered_at is None or self._outbox.clock() - mail.offered_at < most:
            self._outbox.later(mail, words, offered=True)
            return
        self._outbox.failed(mail, f"given up after {most / DAY:.0f} days: {words}")
        result.failed += 1

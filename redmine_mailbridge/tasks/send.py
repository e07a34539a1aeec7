"""Sends what waits in the outbox: a batch a mailbox, within its limits, later where the server is away."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from redmine_mailbridge.effects import Effect, effect
from redmine_mailbridge.errors import MailMalformed, SendingDeferred, SendingRefused
from redmine_mailbridge.outgoing.letter import FIELDS
from redmine_mailbridge.outgoing.mime import inspect_again
from redmine_mailbridge.outgoing.smtp import Transport
from redmine_mailbridge.store.outbox import Outbox, QueuedMail

log = structlog.get_logger(__name__)

BATCH = 50
DAY, MINUTE = 86_400.0, 60.0
GIVE_UP = 5 * DAY
"""Seconds after which a mail that the server takes no notice of is given up."""


@dataclass(frozen=True, slots=True)
class Line:
    """How one mailbox's mail leaves. Limits are counts; 0 is no limit. `account` are the mailboxes, this one among
    them, that send by the same account: what any of them has sent counts for all.
    """

    open: Callable[[], Transport]
    daily_limit: int
    per_minute: int
    account: Sequence[str]


@dataclass(slots=True)
class SendResult:
    """What one pass sent, and what is left waiting; `error` is the line of the first failure."""

    sent: int = 0
    failed: int = 0
    waiting: int = 0
    error: str | None = None


class Sending:
    """Sends for all mailboxes. `once` is called by one thread at a time."""

    def __init__(self, outbox: Outbox, lines: Mapping[str, Line], stop: threading.Event) -> None:
        self._outbox = outbox
        self._lines = lines
        self._stop = stop
        self.last: SendResult | None = None
        """What the last pass did."""

    def once(self) -> SendResult:
        """Send what may go now. Return what was done; errors of SMTP are in it, not raised."""
        result = SendResult()
        for mailbox, line in self._lines.items():
            mails = self._outbox.claim(mailbox, limit=BATCH)
            allowed = self._allowed(line)
            for mail in mails[allowed:]:
                self._outbox.later(mail, "waits: the sending limit is reached", counts=False)
            if mails[:allowed]:
                self._batch(line, mails[:allowed], result)
        result.waiting = self._outbox.waiting()
        self.last = result
        return result

    def _allowed(self, line: Line) -> int:
        """How many of a mailbox may go now."""
        left = BATCH
        for most, seconds in ((line.daily_limit, DAY), (line.per_minute, MINUTE)):
            if most:
                left = min(left, max(most - self._outbox.sent_since(line.account, seconds), 0))
        return left

    def _batch(self, line: Line, mails: list[QueuedMail], result: SendResult) -> None:
        waiting = list(mails)
        try:
            with line.open() as transport:
                while waiting and not self._stop.is_set():
                    self._one(transport, waiting[0], result)
                    waiting.pop(0)
        except SendingDeferred as error:
            result.error = result.error or str(error)
            log.warning("sending.deferred", reason=str(error), waiting=len(waiting))
            for mail in waiting:
                self._later(mail, str(error), result)
        else:
            for mail in waiting:
                self._outbox.later(mail, None, counts=False)

    def _later(self, mail: QueuedMail, words: str, result: SendResult) -> None:
        """Try again later; after some days, as every mail server does, no more (RFC 5321 section 4.5.4.1)."""
        if self._outbox.clock() - mail.created_at < GIVE_UP:
            self._outbox.later(mail, words)
            return
        self._outbox.failed(mail, f"given up after {GIVE_UP / DAY:.0f} days: {words}")
        result.failed += 1

    def _one(self, transport: Transport, mail: QueuedMail, result: SendResult) -> None:
        try:
            inspect_again(mail.content, FIELDS)  # whoever composed it, and whenever
            with effect(Effect.SEND_MAIL):
                words = transport.send(mail.sender, mail.recipient, mail.content)
        except (SendingRefused, MailMalformed) as error:
            self._outbox.failed(mail, str(error))
            result.failed += 1
            log.warning("sending.refused", kind=mail.kind, issue=mail.issue, reason=str(error))
            return
        except SendingDeferred as error:
            if error.whole:
                raise
            log.warning("sending.deferred", kind=mail.kind, issue=mail.issue, reason=str(error))
            self._later(mail, str(error), result)
            return
        self._outbox.sent(mail, words)
        result.sent += 1
        log.info("sending.sent", kind=mail.kind, issue=mail.issue)

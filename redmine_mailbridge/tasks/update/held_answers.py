"""Notices to the agents of an issue that a note of theirs has not been mailed yet, since a limit holds it back.

The agent sees the note in Redmine and would think that the customer has it. So each note that waits for more than
WORTH_A_NOTICE is reported once, with the limit and the time from which it will be sent, as far as that is known.
Shorter waits are not reported: watchers are notified of each private note.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.outgoing.last_answer import moment_in
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.store.issue_copy import IssueRow
from redmine_mailbridge.store.note_decisions import RateLimited
from redmine_mailbridge.store.notices import HELD, NewNotice, Notices
from redmine_mailbridge.store.outgoing.answers import MailedAnswers
from redmine_mailbridge.store.outgoing.rows import LIMIT_REACHED
from redmine_mailbridge.util.dataclass import dataclass

WORTH_A_NOTICE = 120.0
"""Seconds that a note must wait to be reported."""
DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class DailyLimit:
    """A limit of an account: `most` messages a day (0: unlimited) of all mailboxes that send by it."""

    mailboxes: Sequence[str]
    most: int


class HeldAnswers:
    """Stores the notices; `delivery_failures.py` posts them. `zones` and `limits` are by mailbox."""

    def __init__(
        self,
        answers: MailedAnswers,
        notices: Notices,
        text_format: TextFormat,
        *,
        zones: Mapping[str, dt.tzinfo | None],
        limits: Mapping[str, DailyLimit],
    ) -> None:
        self._answers = answers
        self._notices = notices
        self._text_format: TextFormat = text_format
        self._zones = zones
        self._limits = limits

    def report_note(self, issue: IssueRow, journal: int, limited: RateLimited) -> None:
        """Given a note that a limit against mail loops defers, report it, unless it is reported or waits shortly."""
        key = f"{HELD}{journal}"
        if self._notices.is_known(issue.id, key):
            return
        allowed_from = self._answers.allowed_from(limited.mail)
        if allowed_from - self._answers.clock() < WORTH_A_NOTICE:
            return
        why = literal(str(limited).removeprefix("no answer: "), self._text_format)
        text = (
            f"Note {journal} has not been sent yet: {why}. It will be sent as soon as the limit allows it, not before "
            f"{moment_in(allowed_from, self._zones.get(issue.mailbox))}; later notes follow it."
        )
        self._notices.add(issue.id, issue.mail_id, NewNotice(key, text))

    def report_mails(self) -> None:
        """Report the agents' notes that wait in the outbox for a limit of the account that sends them."""
        reported: set[str] = set()
        for mail in self._answers.limited(LIMIT_REACHED, seconds=WORTH_A_NOTICE):
            key = f"limit/{mail.message_id}"
            if mail.message_id in reported or self._notices.is_known(mail.issue, key):
                continue
            reported.add(mail.message_id)
            recipient, own_id = (literal(text, self._text_format) for text in (mail.recipient, mail.message_id))
            text = f"The mail to {recipient} has not been sent yet: {self._limit(mail.mailbox)}\n\n{own_id}"
            self._notices.add(mail.issue, mail.mail_id, NewNotice(key, text))

    def _limit(self, mailbox: str) -> str:
        """The limit, and until when it applies, in a sentence."""
        limit = self._limits.get(mailbox)
        ends_at = self._answers.limit_ends(limit.mailboxes, DAY, limit.most) if limit and limit.most else None
        if limit is None or ends_at is None:
            return "the limit of messages a minute is reached. It will be sent when its turn comes."
        moment = moment_in(ends_at, self._zones.get(mailbox))
        return f"the limit of {limit.most} messages a day is reached. It will be sent from {moment} on."

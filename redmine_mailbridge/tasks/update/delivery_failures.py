"""What the agents of an issue are told by a private note, each once: mail about it that did not arrive, and who does
not get what is mailed there.

That is a mail that the server refused for good, one that a delivery report says will never arrive (a delay is not
told), and the notices that were noted when mail was composed. A note about a mail bears the mail's own Message-ID, and
each notice is another text, so that it is looked for before it is written. What a request makes whose answer was lost
may come later than such a look: that it is on its way is noted before, and nothing is sent until it has settled. So
neither a crash nor a lost answer makes a second one.
"""

from functools import partial

import structlog

from redmine_mailbridge.errors import RedmineRefused, RedmineUnavailable
from redmine_mailbridge.model.mail import TextFormat
from redmine_mailbridge.policy.issue_text import literal
from redmine_mailbridge.redmine.recovery import newest_of
from redmine_mailbridge.redmine.requests import NoteRequest
from redmine_mailbridge.redmine.text_cleaning import same_text
from redmine_mailbridge.redmine.writer import Writer
from redmine_mailbridge.store.note_intents import NoteIntents
from redmine_mailbridge.store.notices import Notice, Notices
from redmine_mailbridge.store.outbox import Outbox, QueuedMail
from redmine_mailbridge.tasks.receive.settle import seconds_left, stamped
from redmine_mailbridge.tasks.update.issue_turns import Turns

log = structlog.get_logger(__name__)


class Undelivered:
    """Tells on issues what did not arrive, and what is noted. `settle` in seconds."""

    def __init__(
        self,
        outbox: Outbox,
        notices: Notices,
        writer: Writer,
        text_format: TextFormat,
        *,
        intents: NoteIntents,
        settle: float,
        turns: Turns,
    ) -> None:
        self._outbox = outbox
        self._notices = notices
        self._writer = writer
        self._text_format = text_format
        self._intents = intents
        self._settle = settle
        self._turns = turns

    def once(self) -> tuple[int, int]:
        """Tell what is not told. Return how many notes were written, and how many could not be. Raise
        RedmineUnavailable when Redmine is away.
        """
        written = failed = 0
        for mail in self._outbox.untold():
            done, ended = self._turns.take(mail.issue or 0, partial(self._tell_mail, mail))
            written, failed = written + done, failed + (not ended)
        for notice in self._notices.untold():
            done, ended = self._turns.take(notice.issue, partial(self._tell_notice, notice))
            written, failed = written + done, failed + (not ended)
        return written, failed

    def _tell_mail(self, mail: QueuedMail) -> int:
        assert mail.issue is not None, "only mail about issues is told there"  # noqa: S101 - `untold` has looked
        try:
            new = self._tell(mail.issue, self._text(mail))
        except RedmineRefused as error:
            log.warning("undelivered.untold", issue=mail.issue, reason=str(error))
            self._outbox.told(mail, f"no private note about it: {error}")
            return 0
        if new is None:
            return 0
        self._outbox.told(mail, f"a private note on #{mail.issue} tells that it did not arrive" if new else None)
        return new

    def _tell_notice(self, notice: Notice) -> int:
        try:
            new = self._tell(notice.issue, notice.text)
        except RedmineRefused as error:
            log.warning("notice.untold", issue=notice.issue, reason=str(error))
            self._notices.told(notice, f"no private note, which would say {notice.text}: {error}")
            return 0
        if new is None:
            return 0
        self._notices.told(notice)
        return new

    def _tell(self, issue: int, text: str) -> int | None:
        """Write a private note, if it is not there. Return how many were written; None while one may be on its way."""
        sent = self._intents.sent(issue, text)
        if sent is not None and seconds_left(sent, self._settle, partial(self._intents.keep, issue, text)) > 0:
            return None
        found = self._writer.look.issue(issue)
        if any(same_text(text, one.get("notes")) for one in found.get("journals", ())):
            self._intents.forget(issue, text)
            return 0
        note = NoteRequest(issue, int(found["project"]["id"]), {"notes": text, "private_notes": True})
        note, _ = self._writer.prepare_note(note)
        self._intents.keep(issue, text, stamped("{}"))
        self._send(note, text)
        self._writer.confirm_note([note], newest_of(found))
        self._intents.forget(issue, text)
        return 1

    def _send(self, note: NoteRequest, text: str) -> None:
        """Send it. What surely changed nothing is not on its way."""
        try:
            self._writer.add_note(note)
        except RedmineRefused:
            self._intents.forget(note.issue, text)
            raise
        except RedmineUnavailable as error:
            if not error.sent:
                self._intents.forget(note.issue, text)
            raise

    def _text(self, mail: QueuedMail) -> str:
        who, why = literal(mail.recipient, self._text_format), literal(mail.reason or "", self._text_format)
        own_id = literal(mail.message_id, self._text_format)
        return f"The mail to {who} ({mail.kind}) was not delivered: {why}\n\n{own_id}"

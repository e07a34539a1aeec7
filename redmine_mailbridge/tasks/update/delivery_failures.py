"""Private notes to the agents of an issue, each written once: mail that was not delivered, and people who do not get
the mails about the issue.

Reported are mails that the server rejected permanently, mails that a delivery report declares undeliverable (a delay
is not reported), and the notices stored when a mail was composed. A note about an undelivered mail may set the status
of its issue (`bounce_status.py`) in the same request. A note about a mail contains the mail's Message-ID, and the text
of each notice is unique, so the program searches for a note before writing it. Because the effect of a request with a
lost response may appear after that search, the request is recorded before it is sent, and the note is not sent again
until its result is known. So neither a crash nor a lost response causes a second note. A note that Redmine confirms and
drops counts as not written, which the history of the message says.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

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
from redmine_mailbridge.store.outgoing.outbox import Outbox
from redmine_mailbridge.store.outgoing.rows import QueuedMail
from redmine_mailbridge.tasks.receive.settle import seconds_left, stamped
from redmine_mailbridge.tasks.update.bounce_status import BounceStatus
from redmine_mailbridge.tasks.update.issue_turns import IssueTurns
from redmine_mailbridge.util.dataclass import dataclass

log = structlog.get_logger(__name__)

StatusOf = Callable[[Mapping[str, Any]], int | None]
"""Given an issue from the API, returns the id of the status that it gets with a note; None: it keeps its status."""


@dataclass(frozen=True, slots=True)
class _ConfirmedNote:
    """A note that exists: how many were written for it, how it differs from what was requested, and whether the status
    was set with it.
    """

    written: int = 0
    mismatches: tuple[str, ...] = ()
    moved: bool = False


class DeliveryFailures:
    """Writes private notes about undelivered mail and the stored notices. `settle` in seconds."""

    def __init__(
        self,
        outbox: Outbox,
        notices: Notices,
        writer: Writer,
        text_format: TextFormat,
        *,
        intents: NoteIntents,
        settle: float,
        turns: IssueTurns,
        bounce_status: BounceStatus,
    ) -> None:
        self._outbox = outbox
        self._notices = notices
        self._writer = writer
        self._text_format = text_format
        self._intents = intents
        self._settle = settle
        self._turns = turns
        self._bounce_status = bounce_status

    def once(self) -> tuple[int, int]:
        """Write the notes that are due. Return the numbers of written and of failed notes. Raise RedmineUnavailable."""
        written = failed = 0
        for mail in self._outbox.unreported():
            done, ended = self._turns.take(mail.issue or 0, partial(self._tell_mail, mail))
            written, failed = written + done, failed + (not ended)
        for notice in self._notices.unreported():
            done, ended = self._turns.take(notice.issue, partial(self._tell_notice, notice))
            written, failed = written + done, failed + (not ended)
        return written, failed

    def _tell_mail(self, mail: QueuedMail) -> int:
        assert mail.issue is not None, "only mail about issues is reported"  # noqa: S101 - `unreported` filters
        try:
            note = self._tell(mail.issue, self._text(mail), partial(self._bounce_status.of, mail))
        except RedmineRefused as error:
            log.warning("delivery_failure.not_reported", issue=mail.issue, reason=str(error))
            self._outbox.mark_reported(mail, f"private note not written: {error}")
            return 0
        if note is None:
            return 0
        reported = f"a private note on #{mail.issue} reports that it was not delivered" if note.written else ""
        moved = "the issue has the status for undelivered mail" if note.moved else ""
        self._outbox.mark_reported(mail, "; ".join(filter(None, (reported, moved, *note.mismatches))) or None)
        return note.written

    def _tell_notice(self, notice: Notice) -> int:
        try:
            note = self._tell(notice.issue, notice.text)
        except RedmineRefused as error:
            log.warning("notice.not_reported", issue=notice.issue, reason=str(error))
            self._notices.mark_reported(notice, f"private note not written ({notice.text}): {error}")
            return 0
        if note is None:
            return 0
        self._notices.mark_reported(notice, "; ".join(note.mismatches) or None)
        return note.written

    def _tell(self, issue: int, text: str, status_of: StatusOf = lambda _issue_data: None) -> _ConfirmedNote | None:
        """Write a private note unless it exists, and set the status with it that `status_of` returns. Return None while
        a request may be pending. Raise RedmineRefused when Redmine confirms the note and drops it.
        """
        sent = self._intents.sent(issue, text)
        if sent is not None and seconds_left(sent, self._settle, partial(self._intents.keep, issue, text)) > 0:
            return None
        issue_data = self._writer.recovery.issue(issue)
        if any(same_text(text, journal.get("notes")) for journal in issue_data.get("journals", ())):
            self._intents.forget(issue, text)
            return _ConfirmedNote()
        attributes: dict[str, Any] = {"notes": text, "private_notes": True}
        if (status := status_of(issue_data)) is not None:
            attributes["status_id"] = status
        note = NoteRequest(issue, int(issue_data["project"]["id"]), attributes)
        note, _ = self._writer.prepare_note(note)
        self._intents.keep(issue, text, stamped("{}"))
        self._send(note, text)
        result = self._writer.confirm_note([note], newest_of(issue_data))
        self._intents.forget(issue, text)
        if result.journal is None:
            raise RedmineRefused("; ".join(result.mismatches), status=204)
        for line in result.mismatches:
            log.warning("redmine.mismatch", issue=issue, line=line)
        return _ConfirmedNote(1, result.mismatches, moved=status is not None and "status_id" not in result.unlike)

    def _send(self, note: NoteRequest, text: str) -> None:
        """Send the note, without the status if Redmine rejects both. If the request certainly had no effect, delete its
        record.
        """
        try:
            self._writer.add_note(note)
        except RedmineRefused as error:
            if error.status == 422 and "status_id" in note.attributes:
                attributes = {name: value for name, value in note.attributes.items() if name != "status_id"}
                log.warning("bounce_status.not_set", issue=note.issue, reason=str(error))
                self._send(replace(note, attributes=attributes), text)
                return
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

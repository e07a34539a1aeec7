"""Mail about an issue that did not arrive: its agents are told by a private note, once.

That is a mail that the server refused for good, and one that a delivery report says will never arrive. A delay is
not told. The note bears the mail's own Message-ID, so that it is looked for before it is written: a crash in between
makes no second one.
"""

import structlog

from redmine_mailbridge.errors import RedmineRefused
from redmine_mailbridge.mail.message import TextFormat
from redmine_mailbridge.redmine.look import newest_of
from redmine_mailbridge.redmine.request import NoteRequest
from redmine_mailbridge.redmine.text import same_text
from redmine_mailbridge.redmine.write import Writer
from redmine_mailbridge.routing.text import literal
from redmine_mailbridge.store.outbox import Outbox, QueuedMail

log = structlog.get_logger(__name__)


class Undelivered:
    """Tells on issues what did not arrive."""

    def __init__(self, outbox: Outbox, writer: Writer, text_format: TextFormat) -> None:
        self._outbox = outbox
        self._writer = writer
        self._text_format = text_format

    def once(self) -> int:
        """Tell what is not told. Return how many notes were written. Raise RedmineUnavailable, RedmineUnclear."""
        written = 0
        for mail in self._outbox.untold():
            try:
                written += self._tell(mail)
            except RedmineRefused as error:
                log.warning("undelivered.untold", issue=mail.issue, reason=str(error))
                self._outbox.told(mail, f"no private note about it: {error}")
        return written

    def _tell(self, mail: QueuedMail) -> bool:
        assert mail.issue is not None, "only mail about issues is told there"  # noqa: S101 - `untold` has looked
        found = self._writer.look.issue(mail.issue)
        text = self._text(mail)
        note = NoteRequest(mail.issue, int(found["project"]["id"]), {"notes": text, "private_notes": True})
        if any(same_text(text, one.get("notes")) for one in found.get("journals", ())):
            self._outbox.told(mail)
            return False
        note, _ = self._writer.prepare_note(note)
        self._writer.add_note(note)
        self._writer.confirm_note([note], newest_of(found))
        self._outbox.told(mail, f"a private note on #{mail.issue} tells that it did not arrive")
        return True

    def _text(self, mail: QueuedMail) -> str:
        who, why = literal(mail.recipient, self._text_format), literal(mail.reason or "", self._text_format)
        own_id = literal(mail.message_id, self._text_format)
        return f"The mail to {who} ({mail.kind}) was not delivered: {why}\n\n{own_id}"

"""The result of one attempt at a mail."""

from dataclasses import replace
from typing import Any, Self

from redmine_mailbridge.model.mail_state import OPEN, State
from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ProcessingResult:
    """One mail after one attempt. DONE, REJECTED, HELD and FAILED are final; STORED and WRITE_PENDING are retried.

    `line` is one readable line. `retry_at` is in seconds since the epoch. `filed` is the present place of the mail;
    None if it has not been filed. `junk`: it is filed as spam. `plan` is set if this attempt made one.
    """

    row: StoredMail
    state: State
    line: str
    issue: int | None = None
    journal: int | None = None
    retry_at: float | None = None
    filed: str | None = None
    plan: Plan | None = None
    junk: bool = False

    @property
    def open(self) -> bool:
        """Whether the mail will be retried."""
        return self.state in OPEN

    def filed_to(self, place: str) -> Self:
        """The same result, filed to this place."""
        return replace(self, filed=place)

    def as_json(self) -> dict[str, Any]:
        """The object that `receive --json` prints for a mail."""
        place = self.row.location
        return {
            "id": self.row.id,
            "mailbox": place.mailbox,
            "folder": place.folder,
            "uid": place.uid,
            "message_id": self.row.message_id,
            "from": self.row.sender,
            "subject": self.row.subject,
            "state": self.state.value,
            "action": self.plan.action.value if self.plan else None,
            "issue": self.issue,
            "journal": self.journal,
            "reason": self.line,
            "filed": self.filed,
            "retry_at": self.retry_at,
        }

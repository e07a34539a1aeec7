"""What became of one mail in one try."""

from dataclasses import dataclass, replace
from typing import Any, Self

from redmine_mailbridge.model.mail_state import OPEN, State
from redmine_mailbridge.model.plan import Plan
from redmine_mailbridge.model.stored_mail import MailRow


@dataclass(frozen=True, slots=True)
class Outcome:
    """One mail after one try. `state` DONE, REFUSED, HELD and ASIDE are ends; KEPT and WRITING mean: tried later.

    `line` is one human line. `retry_at` is in seconds since the epoch. `filed` says where the mail lies now,
    None while it was not filed. `plan` is there when one was made in this try.
    """

    row: MailRow
    state: State
    line: str
    issue: int | None = None
    journal: int | None = None
    retry_at: float | None = None
    filed: str | None = None
    plan: Plan | None = None

    @property
    def open(self) -> bool:
        """Is it to be tried again?"""
        return self.state in OPEN

    def filed_to(self, place: str) -> Self:
        """The same, filed."""
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

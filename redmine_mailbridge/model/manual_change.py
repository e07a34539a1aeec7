"""What a person decided about a message by hand: where it was, where it went, and how far that is carried out."""

from enum import StrEnum

from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.util.dataclass import dataclass


class Phase(StrEnum):
    """How far a decision is carried out.

    DECIDED: the message is not written yet. LEAVING: it is, and its former place is to be taken back. SETTLED: all is
    done. UNDOING: its former place is to be restored. CLEARING: it is, and the other is to be taken back. UNDONE.
    """

    DECIDED = "decided"
    LEAVING = "leaving"
    SETTLED = "settled"
    UNDOING = "undoing"
    CLEARING = "clearing"
    UNDONE = "undone"


UNFINISHED = (Phase.DECIDED, Phase.LEAVING, Phase.UNDOING, Phase.CLEARING)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message is in Redmine: the issue that it created, or its note. `request` is the executed intent,
    `requester` the address on whose behalf it was handled, None if that is the sender's.
    """

    issue: int
    journal: int | None = None
    created: bool = False
    request: str | None = None
    requester: str | None = None

    def __str__(self) -> str:
        return f"#{self.issue}"


@dataclass(frozen=True, slots=True)
class ManualChange:
    """One decision. `before` is the message's state then, `reason` that state's; `old` where it was in Redmine, `new`
    where it is, known once the undo begins. `status` is the status of the issue before it was closed. `next_at` in
    seconds since the epoch.
    """

    id: int
    mail_id: int
    who: str
    at: float
    before: State
    reason: str
    phase: Phase
    old: Place | None = None
    new: Place | None = None
    status: int | None = None
    next_at: float = 0.0
    undone_by: str | None = None

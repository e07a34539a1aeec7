"""Carries out what a person decided about messages that are in Redmine: the new place is written first, then the former
one is taken back; an undo restores the former one first, and then takes back the other.

So a message is always somewhere. Each phase may be carried out twice (redmine/taking_back.py).
"""

from collections.abc import Collection

import structlog

from redmine_mailbridge.errors import RedmineError, RedmineUnclear, StoreError
from redmine_mailbridge.model.mail_state import State
from redmine_mailbridge.model.manual_change import ManualChange, Phase, Place
from redmine_mailbridge.model.stored_mail import StoredMail
from redmine_mailbridge.redmine.taking_back import NotRestored, TakeBack
from redmine_mailbridge.store.mails.manual_changes import ManualChanges
from redmine_mailbridge.store.queries.messages import MessageFilter, MessageQueries
from redmine_mailbridge.util.error_boundary import fault, where

log = structlog.get_logger(__name__)

PHASES = 3
PAUSE = 60.0
"""Seconds until what Redmine did not take is tried again."""


class ManualChangeRunner:
    """Carries on the decisions of some mailboxes. `settle` in seconds: until a lost request can no longer arrive."""

    def __init__(
        self, changes: ManualChanges, message_queries: MessageQueries, take_back: TakeBack, settle: float
    ) -> None:
        self._changes = changes
        self._message_queries = message_queries
        self._take_back = take_back
        self._settle = settle

    def carry_on(self, mailboxes: Collection[str]) -> None:
        """Carry on all that is due. What fails is tried again later, and stops nothing else."""
        for _ in range(PHASES):
            changes = self._changes.unfinished(mailboxes)
            if not sum(self._tried(change) for change in changes):
                return

    def _tried(self, change: ManualChange) -> bool:
        """Carry on one. Return whether it went on."""
        with structlog.contextvars.bound_contextvars(id=change.mail_id):
            try:
                return self._step(change)
            except RedmineUnclear as error:
                self._changes.later(change, max(self._settle, PAUSE), str(error))
            except RedmineError as error:
                self._changes.later(change, PAUSE, str(error))
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - one message stops no other
                log.error("mail.fault", kind=type(error).__name__, where=where(error))  # noqa: TRY400 - the trace may quote the mail
                self._changes.later(change, PAUSE, fault(error))
        return False

    def _step(self, change: ManualChange) -> bool:
        """Carry out its phase. Return whether it is in another one then."""
        (row,) = self._message_queries.messages(MessageFilter(ids=[change.mail_id]))
        if change.phase is Phase.DECIDED:
            return self._decided(change, row)
        if change.phase is Phase.UNDOING:
            self._undo(change)
        elif change.phase is Phase.LEAVING and change.old is not None:
            self._changes.go_on(change, Phase.SETTLED, self._clear(change, change.old, _place(row)))
        elif change.phase is Phase.CLEARING and change.new is not None:
            self._changes.go_on(
                change, Phase.UNDONE, self._clear(change, change.new, change.old if change.new.created else None)
            )
        return True

    def _decided(self, change: ManualChange, row: StoredMail) -> bool:
        """Proceed once the message is at its new place; it stays where it was if it cannot be written there."""
        if row.state is State.DONE and (row.issue is not None or change.old is None):
            self._changes.arrived(change)
            return True
        not_written = row.state in {State.HELD, State.REJECTED, State.FAILED, State.DONE} and row.last_sent_at is None
        if change.old is not None and not_written:
            self._changes.not_moved(change, row.reason or "")
            return True
        return False

    def _undo(self, change: ManualChange) -> None:
        try:
            lines = () if change.old is None else self._take_back.restore(change.old, change.new, change.status)
        except NotRestored as error:
            line = f"not undone: {error}; it stays in #{change.new.issue if change.new else ''}"
            self._changes.go_on(change, Phase.SETTLED, (line,))
            return
        self._changes.restored(change, lines)

    def _clear(self, change: ManualChange, place: Place, target: Place | None) -> tuple[str, ...]:
        if target is not None and target.issue == place.issue and target.journal == place.journal:
            return ()
        others = place.created and self._changes.others_at(place.issue, change.mail_id) > 0

        def note_status(status: int) -> None:
            if change.phase is Phase.LEAVING:
                self._changes.note_status(change, status)

        return self._take_back.take_back(place, target, note_status, others=others)


def _place(row: StoredMail) -> Place | None:
    return None if row.issue is None else Place(row.issue, row.journal, row.created_issue is not None, row.request)

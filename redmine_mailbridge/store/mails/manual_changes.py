"""The decisions of persons about messages that can be undone, and how far each is carried out.

Each change of a message and its record is one transaction. What is to be done in Redmine for a phase may be done twice
(redmine/taking_back.py), so that a crash at any moment only has it done again.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import LONGEST_PAUSE, State
from redmine_mailbridge.model.manual_change import UNFINISHED, ManualChange, Phase, Place
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_missing, is_there, one_at_a_time
from redmine_mailbridge.store.due import pause_is_over
from redmine_mailbridge.store.mails.requesters import carry_requester, set_of_message, set_on_issue
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.mails.transitions import change_mail, move_mail
from redmine_mailbridge.store.tables import issue, journal, mail, manual_change, participant

_FRESH: dict[str, Any] = {
    "issue": None, "created_issue": None, "journal": None, "request": None, "first_sent_at": None,
    "last_sent_at": None, "tries": 0, "next_try_at": 0.0,
}  # fmt: skip


_DECIDING = "manual decisions"
"""Two persons who decide about a message at the same time would both find it as it was."""


class ManualChanges:
    """The records. Thread-safe; a second process that decides at the same time changes nothing."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self.clock = clock

    # ------------------------------------------------------------------ read

    def unfinished(self, mailboxes: Collection[str]) -> list[ManualChange]:
        """The changes of these mailboxes' messages that are to be carried on now, oldest first."""
        query = sa.select(manual_change).join(mail, mail.c.id == manual_change.c.mail_id)
        query = query.where(mail.c.mailbox.in_(mailboxes), manual_change.c.phase.in_(UNFINISHED))
        query = query.where(pause_is_over(manual_change.c.next_at, self.clock())).order_by(manual_change.c.id)
        with self._database.read() as db:
            return [_change(row) for row in db.execute(query)]

    def last(self, mail_id: int) -> ManualChange | None:
        """The last decision about a message that was not undone; None if there is none."""
        query = sa.select(manual_change).where(manual_change.c.mail_id == mail_id)
        query = query.where(manual_change.c.phase != Phase.UNDONE).order_by(manual_change.c.id.desc()).limit(1)
        with self._database.read() as db:
            row = db.execute(query).first()
        return None if row is None else _change(row)

    def others_at(self, issue: int, mail_id: int) -> int:
        """How many other messages belong to an issue."""
        query = sa.select(sa.func.count()).select_from(mail).where(mail.c.issue == issue, mail.c.id != mail_id)
        with self._database.read() as db:
            return int(db.execute(query.where(mail.c.journal.is_not(None))).scalar_one())

    # ------------------------------------------------------------------ decide

    def move(self, mail_id: int, manual_decision: str, who: str, where: str) -> bool:
        """A message that is in Redmine is to be written elsewhere. Return whether it was there, and nothing was under
        way.
        """
        with side_effect(SideEffect.RECORD_STEP), self._database.write() as db:
            one_at_a_time(db, _DECIDING)
            row = db.execute(sa.select(mail).where(mail.c.id == mail_id)).first()
            if row is None or row.state != State.DONE or row.issue is None or self._busy(db, mail_id):
                return False
            line = f"to be moved from #{row.issue} to {where} by {who}"
            values = _FRESH | {"manual_decision": manual_decision, "released": True}
            move_mail(db, mail_id, State.STORED, self.clock(), (line,), among=(State.DONE,), **values)
            self._leave(db, row)
            self._insert(db, row, who)
        return True

    def one_at_a_time(self, db: sa.Connection) -> None:
        """Have other persons' decisions wait until this transaction ends."""
        one_at_a_time(db, _DECIDING)

    def record(self, db: sa.Connection, row: Any, who: str) -> None:
        """Given a message that was not in Redmine, as it was before a person had it imported or filed: record that, in
        the transaction of the decision.
        """
        if not self._busy(db, row.id):
            self._insert(db, row, who)

    def undo(self, change: ManualChange, who: str) -> bool:
        """A decision is to be undone: at once if its message is not being written yet, else by the next pass. Return
        whether that is possible.
        """
        with side_effect(SideEffect.RECORD_STEP), self._database.write() as db:
            one_at_a_time(db, _DECIDING)
            row = db.execute(sa.select(mail).where(mail.c.id == change.mail_id)).first()
            if row is None:
                return False
            if change.phase is Phase.DECIDED and row.state != State.DONE:
                return self._cancel(db, change, row, who)
            if change.phase in {Phase.UNDOING, Phase.CLEARING, Phase.UNDONE} or row.issue is None:
                return False
            new = {f"new_{name}": value for name, value in _place_of(row).items()}
            if not self._phase(db, change, Phase.UNDOING, undone_by=who, next_at=0.0, **new):
                return False
            write_steps(db, change.mail_id, (f"to be undone by {who}",), self.clock())
        return True

    def _cancel(self, db: sa.Connection, change: ManualChange, row: Any, who: str) -> bool:
        """Undo what is not carried out yet, unless a request may be on its way."""
        if row.state == State.WRITE_PENDING or row.last_sent_at is not None:
            return False
        if not self._phase(db, change, Phase.UNDONE, undone_by=who):
            return False
        self._back(db, change, f"undone by {who}")
        return True

    # ------------------------------------------------------------------ carry out

    def go_on(self, change: ManualChange, to: Phase, lines: Collection[str] = (), **values: Any) -> None:
        """A phase is carried out: the next one."""
        with side_effect(SideEffect.RECORD_DONE), self._database.write() as db:
            if self._phase(db, change, to, **values):
                write_steps(db, change.mail_id, tuple(lines), self.clock())

    def arrived(self, change: ManualChange) -> None:
        """The message is at its new place: its former one is to be taken back. A requester whom a person has set comes
        along.
        """
        with side_effect(SideEffect.RECORD_DONE), self._database.write() as db:
            if self._phase(db, change, Phase.SETTLED if change.old is None else Phase.LEAVING) and change.old:
                carry_requester(db, change.mail_id, change.old, self.clock())

    def later(self, change: ManualChange, seconds: float, reason: str) -> None:
        """It could not be carried out now: it is tried again after so many seconds, the longest pause at most."""
        with side_effect(SideEffect.DEFER), self._database.write() as db:
            self._phase(db, change, change.phase, next_at=self.clock() + min(seconds, LONGEST_PAUSE))
            write_steps(db, change.mail_id, (f"deferred: {reason}",), self.clock())

    def note_status(self, change: ManualChange, status: int) -> None:
        """Before an issue is closed: its status."""
        with side_effect(SideEffect.RECORD_INTENT), self._database.write() as db:
            self._phase(db, change, change.phase, status=status)

    def restored(self, change: ManualChange, lines: Collection[str]) -> None:
        """The former place is as it was: the message belongs there again."""
        with side_effect(SideEffect.RECORD_DONE), self._database.write() as db:
            row = db.execute(sa.select(mail).where(mail.c.id == change.mail_id)).one()
            if not self._phase(db, change, Phase.CLEARING, next_at=0.0):
                return
            self._leave(db, row)
            self._back(db, change, f"undone by {change.undone_by}", lines)

    def not_moved(self, change: ManualChange, why: str) -> None:
        """A message could not be written elsewhere, and nothing of it is there: it is where it was."""
        with side_effect(SideEffect.RECORD_DONE), self._database.write() as db:
            if self._phase(db, change, Phase.UNDONE):
                self._back(db, change, f"not moved: {why}")

    # ------------------------------------------------------------------ helpers

    def _busy(self, db: sa.Connection, mail_id: int) -> bool:
        query = sa.select(manual_change.c.id).where(manual_change.c.mail_id == mail_id)
        return is_there(db, query.where(manual_change.c.phase.in_(UNFINISHED)))

    def _insert(self, db: sa.Connection, row: Any, who: str) -> None:
        values = {
            "mail_id": row.id, "who": who[:255], "at": self.clock(), "before": row.state, "reason": row.reason or "",
            "phase": Phase.DECIDED.value, "next_at": 0.0,
        }  # fmt: skip
        values |= {f"old_{name}": value for name, value in _place_of(row).items()}
        db.execute(sa.insert(manual_change).values(values))

    def _phase(self, db: sa.Connection, change: ManualChange, to: Phase, **values: Any) -> bool:
        """Go from the phase that is known to another; False if somebody else has gone on meanwhile."""
        query = sa.update(manual_change).where(manual_change.c.id == change.id, manual_change.c.phase == change.phase)
        return db.execute(query.values(phase=to.value, **values)).rowcount == 1

    def _back(self, db: sa.Connection, change: ManualChange, line: str, lines: Collection[str] = ()) -> None:
        """The message is what it was before the decision; if that was not in Redmine, it waits for another one."""
        values: dict[str, Any] = _FRESH | {"manual_decision": None, "released": False}
        to = State.HELD
        if change.old is not None:
            old = change.old
            values |= {"issue": old.issue, "journal": old.journal, "request": old.request, "reason": change.reason}
            values |= {"requester": old.requester, **_about_note(old.request)}
            values |= {"created_issue": old.issue if old.created else None}
            to = State.DONE
            self._join(db, old, set_of_message(db, change.mail_id, old.issue))
        elif change.before is State.DONE:
            values |= {"reason": change.reason}
            to = State.DONE
        else:
            values |= {"reason": f"{line}; before: {change.reason}", "filed_at": None, "junk": False}
        state = db.execute(sa.select(mail.c.state).where(mail.c.id == change.mail_id)).scalar_one()
        recorded = (*lines, line)
        if state in {State.REJECTED, State.FAILED}:  # it may lie in the failure folder
            values |= {"filed_at": None, "junk": False}
        if state == to:
            change_mail(db, change.mail_id, (to,), self.clock(), recorded, **values)
        elif state in {State.REJECTED, State.FAILED} or (state == State.HELD and to is State.DONE):
            change_mail(db, change.mail_id, (State(state),), self.clock(), recorded, **{**values, "state": to})
        else:
            move_mail(db, change.mail_id, to, self.clock(), recorded, among=(State(state),), **values)

    def _leave(self, db: sa.Connection, row: Any) -> None:
        """Given a message that leaves an issue, those who took part in it by this message alone do so no more. An issue
        that it created no longer came by mail: it is removed from the copy of Redmine, so that no rule acts on it.
        """
        if row.issue is None:
            return
        if row.created_issue is not None:
            db.execute(sa.delete(journal).where(journal.c.issue == row.created_issue))
            db.execute(sa.delete(issue).where(issue.c.id == row.created_issue))
        query = sa.select(mail.c.request).where(mail.c.issue == row.issue, mail.c.id != row.id)
        stay = {address for request in db.execute(query).scalars() for address in _people(request)}
        stay |= set_on_issue(db, row.issue, but=row.id)
        came = {*_people(row.request), *set_of_message(db, row.id, row.issue)}
        gone = sorted(came - stay)
        if gone:
            of_issue = participant.c.issue == row.issue
            db.execute(sa.delete(participant).where(of_issue, participant.c.address.in_(gone)))

    def _join(self, db: sa.Connection, place: Place, by_hand: Collection[str]) -> None:
        people = {*_people(place.request), *by_hand}
        insert_missing(db, participant, [{"issue": place.issue, "address": address} for address in sorted(people)])


def _people(request: str | None) -> list[str]:
    """The addresses that take part by a message's intent."""
    addresses = json.loads(request).get("participants", ()) if request else ()
    return sorted({str(address).lower() for address in addresses if address})


def _about_note(request: str | None) -> dict[str, bool]:
    """Is the note of a message's intent sent to the requester, and is it from a third party?"""
    intent = json.loads(request) if request else {}
    return {name: bool(intent.get(name, False)) for name in ("to_requester", "third_party")}


def _place_of(row: Any) -> dict[str, Any]:
    created = row.created_issue is not None
    return {
        "issue": row.issue,
        "journal": row.journal,
        "created": created,
        "request": row.request,
        "requester": row.requester,
    }


def _place(row: Any, which: str) -> Place | None:
    issue, journal, created, request, requester = (
        getattr(row, f"{which}_{attribute.name}") for attribute in fields(Place)
    )
    return None if issue is None else Place(issue, journal, bool(created), request, requester)


def _change(row: Any) -> ManualChange:
    return ManualChange(
        row.id, row.mail_id, row.who, row.at, State(row.before), row.reason, Phase(row.phase), _place(row, "old"),
        _place(row, "new"), row.status, row.next_at, row.undone_by,
    )  # fmt: skip

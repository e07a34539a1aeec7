"""The requester of an issue, as a person sets it: to whom answers go, in place of whom the message itself names.

It is the requester of the message that created the issue, so that everything that asks on whose behalf that message was
handled finds it. What it was before is kept, so that it can be undone.
"""

import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.model.manual_change import Place
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import insert_if_missing, is_there
from redmine_mailbridge.store.issue_copy import WHOSE
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.tables import cc_change, former_requester, issue, mail, participant, requester_change
from redmine_mailbridge.util.dataclass import dataclass

BY_FIELD = "the custom field in Redmine"
"""Who has set a requester by changing `requester_field`."""


@dataclass(frozen=True, slots=True)
class SetRequester:
    """A requester that a person has set; `at` in seconds since the epoch. `before` is the address that it replaced."""

    id: int
    mail_id: int
    issue: int
    address: str
    name: str
    before: str
    who: str
    at: float


@dataclass(frozen=True, slots=True)
class DueField:
    """A custom field of an issue that is to show its requester. `address` is "" if another change came since."""

    id: int
    mail_id: int
    issue: int
    mailbox: str
    address: str


class Requesters:
    """The requesters that persons have set. Thread-safe."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def last(self, mail_id: int) -> SetRequester | None:
        """The last requester set for the issue that a message created, and not undone; None if there is none."""
        with self._database.read() as db:
            row = db.execute(_last(mail_id).where(requester_change.c.issue == _created(mail_id))).first()
        if row is None:
            return None
        return SetRequester(row.id, row.mail_id, row.issue, row.address, row.name, row.before, row.who, row.at)

    def current(self, mail_id: int) -> tuple[str, str]:
        """Given a message, return the address and name of the person on whose behalf it was handled."""
        with self._database.read() as db:
            row = db.execute(sa.select(mail).where(mail.c.id == mail_id)).one()
        return row.requester or row.sender or "", str(_intent(row).get("requester", ""))

    def set(self, mail_id: int, address: str, name: str, who: str) -> int | None:
        """Given a message that created an issue, and a person's address (lower case) and name, make that person the
        requester. Return the issue; None, changing nothing, if the message did not create one.
        """
        with side_effect(SideEffect.RECORD_STEP), self._database.write() as db:
            row = db.execute(sa.select(mail).where(mail.c.id == mail_id)).first()
            if row is None or row.created_issue is None or not row.request:
                return None
            _set(db, row, (address, name), who, self._clock())
            return int(row.created_issue)

    def is_new_in_field(self, mail_id: int, address: str, written: str) -> bool:
        """Given a message that created an issue, the address in the custom field of its requester, and the one that the
        bridge wrote there ("": the first requester's), return whether the field has changed since the last look.
        """
        query = sa.select(requester_change).where(requester_change.c.mail_id == mail_id)
        query = query.where(requester_change.c.issue == _created(mail_id))
        with self._database.read() as db:
            changes = db.execute(query.order_by(requester_change.c.id)).all()
        seen = [row.address for row in changes if row.who == BY_FIELD]
        before = changes[0].before if changes else self.current(mail_id)[0]
        known = seen[-1] if seen else written or before
        return address != known

    def set_by_field(self, mail_id: int, address: str, written: str) -> bool:
        """Given the same, make the address the requester if the field has changed. Return whether it has."""
        new = self.is_new_in_field(mail_id, address, written)
        return new and self.set(mail_id, address, "", BY_FIELD) is not None

    def saw_in_field(self, mail_id: int, address: str, written: str) -> None:
        """Given the same, where the address is the requester's: it is not new any more."""
        if not self.is_new_in_field(mail_id, address, written):
            return
        with side_effect(SideEffect.RECORD_STEP), self._database.write() as db:
            _see(db, mail_id, address, self._clock())

    def fields_due(self) -> list[DueField]:
        """The requesters set by notes whose custom fields in Redmine are still to be set, in order."""
        query = sa.select(requester_change, mail.c.mailbox, mail.c.created_issue, mail.c.requester.label("current"))
        query = query.join(mail, mail.c.id == requester_change.c.mail_id).where(requester_change.c.field_due)
        with self._database.read() as db:
            rows = db.execute(query.order_by(requester_change.c.id)).all()
        return [
            DueField(row.id, row.mail_id, row.issue, row.mailbox, row.address)
            if row.issue == row.created_issue and row.address == row.current
            else DueField(row.id, row.mail_id, row.issue, row.mailbox, "")
            for row in rows
        ]

    def field_written(self, due: DueField, line: str, *, shown: bool) -> None:
        """The custom field has been set, or cannot be: the line says which, "" for nothing to say. `shown`: it shows
        the address, which is not new any more.
        """
        with side_effect(SideEffect.RECORD_STEP), self._database.write() as db:
            db.execute(sa.update(requester_change).where(requester_change.c.id == due.id).values(field_due=False))
            if shown:
                _see(db, due.mail_id, due.address, self._clock(), number=due.issue)
            write_steps(db, due.mail_id, (line,) if line else (), self._clock())

    def undo(self, change: SetRequester, who: str) -> bool:
        """Restore the requester from before. Return whether it had not been undone yet.

        The person no longer takes part in the issue unless they did before, or have written to it since.
        """
        with side_effect(SideEffect.RECORD_STEP), self._database.write() as db:
            open_ = sa.and_(requester_change.c.id == change.id, requester_change.c.undone_by.is_(None))
            kept = db.execute(sa.select(requester_change).where(open_)).first()
            row = db.execute(sa.select(mail).where(mail.c.id == change.mail_id)).first()
            if kept is None or row is None or row.created_issue != kept.issue:  # it has been moved since
                return False
            db.execute(sa.update(requester_change).where(open_).values(undone_by=who[:255]))
            others = sa.select(mail.c.id).where(mail.c.issue == change.issue, mail.c.id != change.mail_id)
            wrote = others.where(WHOSE == change.address)  # noqa: SIM300 - a column
            if kept.joined and not is_there(db, wrote):
                of_address = sa.and_(participant.c.issue == change.issue, participant.c.address == change.address)
                db.execute(sa.delete(participant).where(of_address))
            line = f"the requester of #{change.issue} is {change.before} again, undone by {who}"
            requester = (change.before, kept.before_name, kept.requester)
            _write(db, row, requester, line, self._clock())
            return True


def carry_requester(db: sa.Connection, mail_id: int, old: Place, now: float) -> None:
    """Given a message that was moved, and where it was: if a person had set its requester there, that one is the
    requester of the issue that it has created now, or takes part in the one whose note it is.
    """
    change = db.execute(_last(mail_id).where(requester_change.c.address == old.requester)).first()
    row = db.execute(sa.select(mail).where(mail.c.id == mail_id)).one()
    if change is None or row.issue is None or not row.request or row.requester == change.address:
        return
    if row.created_issue is not None:
        _set(db, row, (change.address, change.name), f"{change.who} (#{old.issue})", now)
        return
    intent = _intent(row)
    people = [*intent.get("participants", ()), change.address]
    request = json.dumps(intent | {"participants": people}, ensure_ascii=False)
    db.execute(sa.update(mail).where(mail.c.id == mail_id).values(requester=change.address, request=request))
    _join(db, row.issue, change.address)
    write_steps(db, mail_id, (f"{change.address}, set by {change.who}, takes part in #{row.issue}",), now)


def set_requester(db: sa.Connection, mail_id: int, person: Address, who: str, now: float) -> str:
    """Given an open transaction, a message that created an issue, a person and who says so, make that person the
    requester, and record it. Return why that is not done, as a line for the record; "" if it is, or was before.
    """
    row = db.execute(sa.select(mail).where(mail.c.id == mail_id)).first()
    if row is None or row.created_issue is None or not row.request:
        return f"{person.key} is not the requester: the issue is no longer this message's"
    if (row.requester or row.sender or "").lower() != person.key:
        _set(db, row, (person.key, person.name), who, now, field_due=True)
    return ""


def former_requesters(db: sa.Connection, number: int, requester: str) -> frozenset[str]:
    """Given an issue and whom its answers go to, return whom they went to before somebody changed the requester (lower
    case): by page, command, note or field. While a change is being decided, that is who still is the requester.
    """
    changed = sa.select(requester_change.c.before).where(
        requester_change.c.issue == number, requester_change.c.undone_by.is_(None)
    )
    begun = sa.select(former_requester.c.address).where(former_requester.c.issue == number)
    current = sa.select(issue.c.requester).where(issue.c.id == number)
    people = (str(address) for query in (changed, begun, current) for address in db.execute(query).scalars())
    return frozenset(comparable(person) for person in people if person) - {comparable(requester)}


def set_of_message(db: sa.Connection, mail_id: int, number: int) -> set[str]:
    """Those whom a person has made the requester of an issue that this message created, and who took part in nothing
    of it before.
    """
    of_mail = sa.and_(requester_change.c.mail_id == mail_id, requester_change.c.issue == number)
    open_ = sa.and_(requester_change.c.undone_by.is_(None), requester_change.c.joined)
    return set(db.execute(sa.select(requester_change.c.address).where(of_mail, open_)).scalars())


def set_on_issue(db: sa.Connection, number: int, *, but: int) -> set[str]:
    """Those whom a person has made the requester of an issue, but for those by this message."""
    query = sa.select(requester_change.c.address).join(mail, mail.c.id == requester_change.c.mail_id)
    query = query.where(mail.c.issue == number, mail.c.id != but, requester_change.c.issue == number)
    return set(db.execute(query.where(requester_change.c.undone_by.is_(None))).scalars())


def _set(
    db: sa.Connection, row: Any, person: tuple[str, str], who: str, now: float, *, field_due: bool = False
) -> None:
    """Make a person (address and name) the requester of the issue that a message created, and record it."""
    address, name = person
    number, before = row.created_issue, row.requester or row.sender or ""
    values = {
        "mail_id": row.id, "issue": number, "address": address, "name": name, "before": before,
        "before_name": str(_intent(row).get("requester", "")), "requester": row.requester,
        "joined": _join(db, number, address), "who": who[:255], "at": now,
        "field_due": field_due,
    }  # fmt: skip
    db.execute(sa.insert(requester_change).values(values))
    named = sa.and_(cc_change.c.issue == number, cc_change.c.address == comparable(before), cc_change.c.copied)
    db.execute(sa.delete(cc_change).where(named))  # only who names the person before from now on means it
    line = f"the requester of #{number} is {address} instead of {before}, set by {who}"
    _write(db, row, (address, name, address), line, now)


def _see(db: sa.Connection, mail_id: int, address: str, now: float, *, number: int | None = None) -> None:
    """The custom field of the issue that a message created, or of this `number`, shows this address, which changes
    nothing.
    """
    row = db.execute(sa.select(mail).where(mail.c.id == mail_id)).one()
    number = row.created_issue if number is None else number
    if number is None:
        return
    name = str(_intent(row).get("requester", ""))
    values = {
        "mail_id": row.id, "issue": number, "address": address, "name": name, "before": address,
        "before_name": name, "requester": row.requester, "joined": False, "who": BY_FIELD,
        "undone_by": BY_FIELD, "at": now,
    }  # fmt: skip
    db.execute(sa.insert(requester_change).values(values))


def _join(db: sa.Connection, number: int, address: str) -> bool:
    """Have an address take part in an issue. Return whether it did not before."""
    return insert_if_missing(db, participant, {"issue": number, "address": address})


def _write(db: sa.Connection, row: Any, person: tuple[str, str, str | None], line: str, now: float) -> None:
    """Set the requester of the message, and of the copy of its issue, if that has been read. `person`: the
    address and name, and the address to be stored, None if that is the sender's.
    """
    address, name, requester = person
    intent = json.dumps(_intent(row) | {"requester": name}, ensure_ascii=False)
    db.execute(sa.update(mail).where(mail.c.id == row.id).values(requester=requester, request=intent))
    copied = {"requester": address, "requester_name": name, "domain": address.rpartition("@")[2]}
    db.execute(sa.update(issue).where(issue.c.id == row.created_issue).values(**copied, settled=False))
    write_steps(db, row.id, (line,), now)


def _created(mail_id: int) -> Any:
    """The issue that a message created, as it is now."""
    return sa.select(mail.c.created_issue).where(mail.c.id == mail_id).scalar_subquery()


def _last(mail_id: int) -> sa.Select[Any]:
    of_mail = sa.and_(requester_change.c.mail_id == mail_id, requester_change.c.undone_by.is_(None))
    return sa.select(requester_change).where(of_mail).order_by(requester_change.c.id.desc()).limit(1)


def _intent(row: Any) -> dict[str, Any]:
    intent: dict[str, Any] = json.loads(row.request) if row.request else {}
    return intent

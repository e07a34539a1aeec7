"""What the commands of a note change for its issue: who is in Cc of its mail, and who the requester is."""

from collections.abc import Sequence

import sqlalchemy as sa

from redmine_mailbridge.mail.mime.mailable import comparable
from redmine_mailbridge.model.mail import Address
from redmine_mailbridge.store.begun_issues import record_entry_requester, set_begun_requester
from redmine_mailbridge.store.dialects import insert_if_missing, upsert
from redmine_mailbridge.store.mails.requesters import set_requester
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.tables import cc_change, participant
from redmine_mailbridge.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class RecipientChanges:
    """The people that a note adds to Cc (`cc`) and removes from it (`uncc`), and the new requester, None for no change.
    `who` states by whom, for the record.
    """

    cc: tuple[Address, ...] = ()
    uncc: tuple[Address, ...] = ()
    requester: Address | None = None
    who: str = ""


@dataclass(frozen=True, slots=True)
class CcChanges:
    """The people whom agents have added to Cc of an issue's mail, and those whom they have removed, by address."""

    added: tuple[Address, ...] = ()
    removed: tuple[Address, ...] = ()


def change_recipients(
    db: sa.Connection, place: tuple[int, int], mail_id: int | None, changes: RecipientChanges, now: float
) -> None:
    """Given an open transaction, an issue with the note on it, the message that created the issue (None: its
    conversation began in Redmine), and the changes, store them. Who is added to Cc takes part in the issue from then
    on: a reply reaches it. What a newer note says of a person stays: a private note that is published later is decided
    after it.
    """
    number, journal = place
    if changes.requester is not None and mail_id is not None:
        line = set_requester(db, mail_id, changes.requester, changes.who, now)
        write_steps(db, mail_id, [line] if line else [], now)
    if changes.requester is not None and mail_id is None:
        set_begun_requester(db, number, changes.requester.key, now)
        record_entry_requester(db, number, journal, changes.requester.key)
    newer = sa.select(cc_change.c.address).where(cc_change.c.issue == number, cc_change.c.journal > journal)
    settled = frozenset(db.execute(newer).scalars())
    rows = [
        {
            "issue": number, "address": comparable(person.address), "written": person.address, "name": person.name,
            "who": changes.who[:255], "copied": copied, "journal": journal, "at": now,
        }
        for copied, people in ((True, changes.cc), (False, changes.uncc))
        for person in people if comparable(person.address) not in settled
    ]  # fmt: skip
    upsert(db, cc_change, rows)
    for person in changes.cc:
        insert_if_missing(db, participant, {"issue": number, "address": person.key})


def cc_changes_of(db: sa.Connection, number: int) -> CcChanges:
    """Given an issue, return whom agents have added to its Cc, and removed from it."""
    query = sa.select(cc_change).where(cc_change.c.issue == number).order_by(cc_change.c.at, cc_change.c.address)
    rows = db.execute(query).all()
    people: Sequence[tuple[bool, Address]] = [(row.copied, Address(row.name, row.written)) for row in rows]
    return CcChanges(
        tuple(person for copied, person in people if copied), tuple(person for copied, person in people if not copied)
    )

"""Which mail is a copy of which. For each content one mail speaks, and the others end as it does.

What is the same content the keys say that `describe` is given (tasks/receive/copies.py makes them). Whether a mail is a
copy of the one that speaks is asked anew whenever it is looked at, since that depends on what became of that one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN, State
from redmine_mailbridge.model.stored_mail import Description, MailRow
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.dialects import insert_if_missing, one_at_a_time
from redmine_mailbridge.store.folder_cursors import Folders
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.mails.steps import write_step_once
from redmine_mailbridge.store.mails.transitions import move_mail
from redmine_mailbridge.store.raw_files import RawStore
from redmine_mailbridge.store.tables import content, mail

SAME_MINUTES = 120.0
"""Seconds within which mails without a Message-ID and with the same content are one mail."""
UNNAMED = ("traced:", "bare:")
"""How the keys of mails without a Message-ID begin: with a Received field, and without one."""


class Relation(Enum):
    """What a mail is to the one that speaks for its content."""

    COPY = "it ends as that one does"
    ANOTHER_TRY = "it asks for another try of that one, which may have been written, and ends as that one does"
    OWN = "it is handled by itself, and speaks from now on"


@dataclass(frozen=True, slots=True)
class Standing:
    """A mail with what tells copies: the key of its content, how far its sender is proven, its bytes' digest.

    `proof` grows: 0 is known to be forged, 1 not proven, 2 proven; None where it was never noted.
    """

    row: MailRow
    key: str
    proof: int | None
    digest: str | None


def relation(this: Standing, speaker: Standing) -> tuple[Relation, str]:
    """Given a mail and the one that speaks for its content, return what it is to it, and why, "" where nothing is to
    be said.
    """
    same_bytes = this.digest is not None and this.digest == speaker.digest
    if not _one_mail(this, speaker, same_bytes=same_bytes):
        return Relation.OWN, ""
    if not same_bytes and None not in (this.proof, speaker.proof) and (this.proof or 0) > (speaker.proof or 0):
        why = f"mail {speaker.row.id} says the same, but its sender is less proven: this one is no copy of it"
        return Relation.OWN, why
    if speaker.row.state in OPEN or speaker.row.issue is not None:
        return Relation.COPY, ""
    return _to_one_without_issue(this.row, speaker.row)


def _to_one_without_issue(this: MailRow, speaker: MailRow) -> tuple[Relation, str]:
    """The same where the mail that speaks has come to an end, or waits for an admin, and made no issue.

    That decides nothing for another mailbox. In its own, whoever puts a mail back after it was turned away asks for
    another try.
    """
    put_back = this.kept_at >= speaker.changed_at and speaker.state in {State.REFUSED, State.ASIDE}
    if put_back and speaker.last_sent_at is not None:
        return Relation.ANOTHER_TRY, ""
    if this.location.mailbox != speaker.location.mailbox:
        return Relation.OWN, f"mail {speaker.id}, the same mail, made no issue in {speaker.location.mailbox}"
    return (Relation.OWN if put_back else Relation.COPY), ""


def _one_mail(this: Standing, speaker: Standing, *, same_bytes: bool) -> bool:
    """Are two mails of one key one mail? Without a Message-ID they are when they came within the same minutes, or are
    the same to the last byte with a Received field, which no two deliveries share.
    """
    key = _unscoped(this.key)
    if not key.startswith(UNNAMED) or (same_bytes and key.startswith(UNNAMED[0])):
        return True
    return abs(this.row.came_at - speaker.row.came_at) < SAME_MINUTES


def _unscoped(key: str) -> str:
    """Given a key, return it without the mailbox that it counts in."""
    return key.rpartition("/")[2]


class Copies(Folders):
    """What the store knows of copies. Safe for many threads and processes."""

    raw: RawStore

    def describe(self, descriptions: Sequence[Description]) -> dict[int, MailRow]:
        """Given what mails say of themselves, note it. Return, for each that is a copy of another, that other."""
        copies: dict[int, MailRow] = {}
        values = [
            {"of": one.mail_id, "message_id": one.message_id, "content_key": one.content_key, "proof": one.proof}
            | {"sender": one.sender, "subject": one.subject[:1000]}
            for one in descriptions
        ]
        if not values:
            return copies
        with effect(Effect.RECORD_STEP), self.database.write() as db:
            one_at_a_time(db, _DESCRIBING)
            db.execute(_SET, values)
            for one in sorted(descriptions, key=lambda each: each.mail_id):
                speaker = self._speaker(db, one.mail_id)
                if speaker is not None:
                    copies[one.mail_id] = speaker
        return copies

    def speaker(self, mail_id: int) -> MailRow | None:
        """Given a mail that was a copy, return the mail that speaks for it now, None when it is to be handled."""
        with effect(Effect.RECORD_STEP), self.database.write() as db:
            one_at_a_time(db, _DESCRIBING)
            return self._speaker(db, mail_id)

    def namesakes(self, mail_ids: Iterable[int], *, limit: int) -> dict[int, list[MailRow]]:
        """Given mails that are no copies, return for each the others with its Message-ID that are none either, the
        first ones, at most so many.
        """
        wanted = list(mail_ids)
        this, other = mail.alias("this"), mail.alias("other")
        place = sa.func.row_number().over(partition_by=this.c.id, order_by=other.c.id).label("place")
        pairs = (
            sa.select(this.c.id.label("of"), other.c.id.label("id"), place)
            .join_from(this, other, sa.and_(other.c.message_id == this.c.message_id, other.c.id != this.c.id))
            .join(content, sa.and_(content.c.key == other.c.content_key, content.c.mail_id == other.c.id))
            .where(this.c.id.in_(wanted))
            .subquery()
        )
        query = sa.select(pairs.c.of, *COLUMNS).join(mail, mail.c.id == pairs.c.id).where(pairs.c.place <= limit)
        found: dict[int, list[MailRow]] = {}
        with self.database.read() as db:
            for row in db.execute(query.order_by(pairs.c.of, mail.c.id)):
                values = dict(row._mapping)
                found.setdefault(values.pop("of"), []).append(as_row(values))
        return found

    def join(self, mail_id: int, other_id: int) -> bool:
        """Given a mail and another with much the same content, have the other speak for both from now on.

        Return False, and change nothing, when one of them has become a copy meanwhile.
        """
        with effect(Effect.RECORD_STEP), self.database.write() as db:
            one_at_a_time(db, _DESCRIBING)
            own = sa.select(sa.func.count()).select_from(mail).join(content, content.c.key == mail.c.content_key)
            own = own.where(content.c.mail_id == mail.c.id, mail.c.id.in_([mail_id, other_id]))
            if db.execute(own).scalar() != 2:
                return False
            key = sa.select(mail.c.content_key).where(mail.c.id == mail_id).scalar_subquery()
            db.execute(sa.update(content).where(content.c.key == key).values(mail_id=other_id))
        return True

    def say_once(self, mail_id: int, line: str) -> None:
        """Add a human line to a mail's record, unless it stands there."""
        with effect(Effect.RECORD_STEP), self.database.write() as db:
            write_step_once(db, mail_id, line, self.clock())

    def _speaker(self, db: sa.Connection, mail_id: int) -> MailRow | None:
        """Given a mail, return the one that it is a copy of, None when it speaks for itself, or does from now on."""
        this = self._standing(db, mail.c.id == mail_id)
        if this is None:
            return None
        if insert_if_missing(db, content, {"key": this.key, "mail_id": mail_id}):
            return None
        held = sa.select(content.c.mail_id).where(content.c.key == this.key).scalar_subquery()
        speaker = self._standing(db, mail.c.id == held)
        if speaker is None or speaker.row.id == mail_id:
            return None
        what, why = relation(this, speaker)
        if what is Relation.COPY:
            return speaker.row
        if what is Relation.ANOTHER_TRY:
            self._try_again(db, speaker.row, this.row)
            return speaker.row
        db.execute(sa.update(content).where(content.c.key == this.key).values(mail_id=mail_id))
        if why:
            write_step_once(db, mail_id, why, self.clock())
        return None

    def _try_again(self, db: sa.Connection, row: MailRow, copy: MailRow) -> None:
        """Have a mail that may have been written be looked for: with the bytes of its copy, where its own are gone."""
        again: dict[str, Any] = {"tries": 0, "next_try_at": 0.0}
        if row.raw is None or not self.raw.path(row.raw).exists():
            again |= {"raw": copy.raw, "truncated": copy.truncated}
        lines = ("tried again: the mail was put back",)
        move_mail(db, row.id, State.WRITING, self.clock(), lines, among=(row.state,), **again)

    def _standing(self, db: sa.Connection, which: sa.ColumnElement[bool]) -> Standing | None:
        query = sa.select(*COLUMNS, mail.c.content_key, mail.c.proof, mail.c.digest).where(which)
        found = db.execute(query).first()
        if found is None or found.content_key is None:
            return None
        values = dict(found._mapping)
        key, proof, digest = values.pop("content_key"), values.pop("proof"), values.pop("digest")
        return Standing(as_row(values), key, proof, digest)


_DESCRIBING = "copies"
"""Two mailboxes that describe copies of one mail at once would not see each other's."""
_SET = sa.update(mail).where(mail.c.id == sa.bindparam("of"))

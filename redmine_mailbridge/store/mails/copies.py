"""Duplicates of messages. For each content one message is the primary, and the others get its result.

The keys given to `describe` (made by tasks/receive/copies.py) define what is the same content. Whether a message is a
copy of the primary is decided again each time, since that depends on the primary's state.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN, State
from redmine_mailbridge.model.stored_mail import Description, StoredMail
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.dialects import insert_each_if_missing, insert_if_missing, one_at_a_time
from redmine_mailbridge.store.folder_cursors import FolderCursors
from redmine_mailbridge.store.mails.rows import COLUMNS, as_row
from redmine_mailbridge.store.mails.steps import write_step_once
from redmine_mailbridge.store.mails.transitions import move_mail
from redmine_mailbridge.store.raw_mails.raw_store import RawStore
from redmine_mailbridge.store.tables import content, mail
from redmine_mailbridge.util.dataclass import dataclass

PROVEN = 2
"""The proof of a sender that is proven (`CopyCandidate`)."""
SAME_MINUTES = 120.0
"""Seconds within which messages without a Message-ID and with the same content are one message."""
UNNAMED = ("traced:", "bare:")
"""Key prefixes of messages without a Message-ID: with a Received field, and without one."""


class Relation(Enum):
    """What a message is to the primary of its content."""

    COPY = "it gets the primary's result"
    ANOTHER_TRY = "it retries the primary, which may have been written, and gets its result"
    OWN = "it is processed, and is the primary from now on"


@dataclass(frozen=True, slots=True)
class CopyCandidate:
    """A message with what identifies copies: the key of its content, the proof of its sender, its bytes' digest.

    `proof` is ordered: 0 known to be forged or spam, 1 not proven, 2 proven; None if not recorded.
    """

    row: StoredMail
    key: str
    proof: int | None
    digest: str | None


def relation(this: CopyCandidate, speaker: CopyCandidate) -> tuple[Relation, str]:
    """Given a message and its primary, return its relation to it, and the reason, "" if there is nothing to
    report.
    """
    same_bytes = this.digest is not None and this.digest == speaker.digest
    if not _one_mail(this, speaker, same_bytes=same_bytes):
        return Relation.OWN, ""
    if not same_bytes and None not in (this.proof, speaker.proof) and (this.proof or 0) > (speaker.proof or 0):
        why = f"not a copy of message {speaker.row.id} with the same content, which is less believable"
        return Relation.OWN, why
    if speaker.row.state in OPEN or speaker.row.issue is not None:
        return Relation.COPY, ""
    return _to_one_without_issue(this.row, speaker.row)


def _to_one_without_issue(this: StoredMail, speaker: StoredMail) -> tuple[Relation, str]:
    """The same if the primary is closed or held, and created no issue.

    That decides nothing for another mailbox. In its own mailbox, moving a rejected message back asks for
    another try.
    """
    put_back = this.kept_at >= speaker.changed_at and speaker.state in {State.REJECTED, State.FAILED}
    if put_back and speaker.last_sent_at is not None:
        return Relation.ANOTHER_TRY, ""
    if this.location.mailbox != speaker.location.mailbox:
        return Relation.OWN, f"message {speaker.id}, the same message, created no issue in {speaker.location.mailbox}"
    return (Relation.OWN if put_back else Relation.COPY), ""


def _one_mail(this: CopyCandidate, speaker: CopyCandidate, *, same_bytes: bool) -> bool:
    """Are two messages with one key the same? Without a Message-ID they are if they arrived within `WINDOW`, or are
    identical to the last byte with a Received field, which no two deliveries share.
    """
    key = _unscoped(this.key)
    if not key.startswith(UNNAMED) or (same_bytes and key.startswith(UNNAMED[0])):
        return True
    return abs(this.row.arrived_at - speaker.row.arrived_at) < SAME_MINUTES


def _unscoped(key: str) -> str:
    """Given a key, return it without the mailbox that it is scoped to."""
    return key.rpartition("/")[2]


class CopyRecords(FolderCursors):
    """The store's record of copies. Safe for concurrent threads and processes."""

    raw: RawStore

    def describe(self, descriptions: Sequence[Description]) -> dict[int, StoredMail]:
        """Given descriptions of messages, record them. Return, for each that is a copy of another, that other."""
        copies: dict[int, StoredMail] = {}
        values = [
            {
                "of": description.mail_id,
                "message_id": description.message_id,
                "content_key": description.content_key,
                "proof": description.proof,
            }
            | {"sender": description.sender, "subject": description.subject[:1000]}
            for description in descriptions
        ]
        if not values:
            return copies
        with side_effect(SideEffect.RECORD_STEP), self.database.write() as db:
            one_at_a_time(db, _DESCRIBING)
            db.execute(_SET, values)
            in_order = sorted(descriptions, key=lambda each: each.mail_id)
            keys = [{"key": description.content_key, "mail_id": description.mail_id} for description in in_order]
            first = insert_each_if_missing(db, content, keys)
            for description in in_order:
                if (description.content_key, description.mail_id) in first:
                    continue  # the first of its content: most mails
                speaker = self._speaker(db, description.mail_id)
                if speaker is not None:
                    copies[description.mail_id] = speaker
        return copies

    def speaker(self, mail_id: int) -> StoredMail | None:
        """Given a message that was a copy, return its current primary, None if it is to be processed itself."""
        with side_effect(SideEffect.RECORD_STEP), self.database.write() as db:
            one_at_a_time(db, _DESCRIBING)
            return self._speaker(db, mail_id)

    def namesakes(self, mail_ids: Iterable[int], *, limit: int) -> dict[int, list[StoredMail]]:
        """Given messages that are not copies, return for each the others with its Message-ID that are not either, the
        first ones, up to the given number.
        """
        originals = list(mail_ids)
        this, other = mail.alias("this"), mail.alias("other")
        place = sa.func.row_number().over(partition_by=this.c.id, order_by=other.c.id).label("place")
        pairs = (
            sa.select(this.c.id.label("of"), other.c.id.label("id"), place)
            .join_from(this, other, sa.and_(other.c.message_id == this.c.message_id, other.c.id != this.c.id))
            .join(content, sa.and_(content.c.key == other.c.content_key, content.c.mail_id == other.c.id))
            .where(this.c.id.in_(originals))
            .subquery()
        )
        query = sa.select(pairs.c.of, *COLUMNS).join(mail, mail.c.id == pairs.c.id).where(pairs.c.place <= limit)
        namesakes: dict[int, list[StoredMail]] = {}
        with self.database.read() as db:
            for row in db.execute(query.order_by(pairs.c.of, mail.c.id)):
                values = dict(row._mapping)
                namesakes.setdefault(values.pop("of"), []).append(as_row(values))
        return namesakes

    def join(self, mail_id: int, other_id: int) -> bool:
        """Given a message and another with much the same content, make the other the primary of both from now on.
        Return False, and change nothing, if one of them has become a copy meanwhile.
        """
        with side_effect(SideEffect.RECORD_STEP), self.database.write() as db:
            one_at_a_time(db, _DESCRIBING)
            own = sa.select(sa.func.count()).select_from(mail).join(content, content.c.key == mail.c.content_key)
            own = own.where(content.c.mail_id == mail.c.id, mail.c.id.in_([mail_id, other_id]))
            if db.execute(own).scalar() != 2:
                return False
            key = sa.select(mail.c.content_key).where(mail.c.id == mail_id).scalar_subquery()
            db.execute(sa.update(content).where(content.c.key == key).values(mail_id=other_id))
        return True

    def say_once(self, mail_id: int, line: str) -> None:
        """Add a line to a message's history, unless it is already there."""
        with side_effect(SideEffect.RECORD_STEP), self.database.write() as db:
            write_step_once(db, mail_id, line, self.clock())

    def _speaker(self, db: sa.Connection, mail_id: int) -> StoredMail | None:
        """Given a mail, return the one that it is a copy of, None when it speaks for itself, or does from now on."""
        this = self._standing(db, _BY_ID, mail_id)
        if this is None:
            return None
        if insert_if_missing(db, content, {"key": this.key, "mail_id": mail_id}):
            return None
        speaker = self._standing(db, _BY_KEY, this.key)
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

    def _try_again(self, db: sa.Connection, row: StoredMail, copy: StoredMail) -> None:
        """Have the result of a message that may have been written verified: with the bytes of its copy if its own are
        gone or damaged.
        """
        again: dict[str, Any] = {"tries": 0, "next_try_at": 0.0}
        if row.raw is None or not self.raw.whole(row.raw):
            again |= {"raw": copy.raw, "truncated": copy.truncated}
        lines = ("retried: the message was moved back",)
        move_mail(db, row.id, State.WRITE_PENDING, self.clock(), lines, among=(row.state,), **again)

    def _standing(self, db: sa.Connection, query: sa.Select[Any], of: int | str) -> CopyCandidate | None:
        row = db.execute(query, {"of": of}).first()
        if row is None or row.content_key is None:
            return None
        values = dict(row._mapping)
        key, proof, digest = values.pop("content_key"), values.pop("proof"), values.pop("digest")
        return CopyCandidate(as_row(values), key, proof, digest)


_DESCRIBING = "copies"
"""Two mailboxes that describe copies of one message concurrently would not see each other's."""
_SET = sa.update(mail).where(mail.c.id == sa.bindparam("of"))
_CANDIDATES = sa.select(*COLUMNS, mail.c.content_key, mail.c.proof, mail.c.digest)
# Statements run per message, built once: building one costs more than running it.
_BY_ID = _CANDIDATES.where(mail.c.id == sa.bindparam("of"))
_BY_KEY = _CANDIDATES.where(
    mail.c.id == sa.select(content.c.mail_id).where(content.c.key == sa.bindparam("of")).scalar_subquery()
)

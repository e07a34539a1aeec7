"""Mailboxes paused because their settings do not fit Redmine, and the messages that wait for that.

One message of a paused mailbox, the one that revealed it, is retried periodically; all others wait until it succeeds or
is closed. Starting and ending a pause are one transaction each, with the affected messages.
"""

import json
from collections.abc import Collection, Sequence

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN, pause_after
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.due import UNTIL_FIT
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.tables import mail, mailbox_pause
from redmine_mailbridge.util.dataclass import dataclass

LONGEST = 300.0
"""Maximum seconds between two tries for a paused mailbox."""


@dataclass(frozen=True, slots=True)
class MailboxPause:
    """A paused mailbox: `mail_id` is the message that revealed it, `since` when (epoch seconds), `lines` what
    does not fit, `looks` how often that was found.
    """

    mailbox: str
    mail_id: int
    since: float
    lines: tuple[str, ...]
    looks: int

    @property
    def words(self) -> str:
        """The summary for an admin, in one line."""
        return (
            f"paused because its settings do not fit Redmine: {'; '.join(self.lines)}. Fix this in Redmine or in "
            f"[mailboxes.{self.mailbox}] (`check` lists all problems); waiting messages are then processed"
        )


def pauses_in(db: sa.Connection) -> dict[str, MailboxPause]:
    """Given an open transaction, return the paused mailboxes, by name."""
    return {
        row.mailbox: MailboxPause(row.mailbox, row.mail_id, row.since, tuple(json.loads(row.lines)), row.looks)
        for row in db.execute(sa.select(mailbox_pause))
    }


class MailboxPauses:
    """The pauses of a store. Only the holder of the service's lock changes them. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> dict[str, MailboxPause]:
        """The paused mailboxes, by name."""
        with self._store.database.read() as db:
            return pauses_in(db)

    def pause(self, mailbox: str, mail_id: int, lines: Sequence[str], before: MailboxPause | None) -> float:
        """Given a mailbox, the message that revealed that its settings do not fit, and the problems, pause it (longer,
        if it was paused `before`). Return when that message is retried (epoch seconds).
        """
        now = self._store.clock()
        looks = before.looks + 1 if before is not None else 1
        at = now + min(pause_after(looks), LONGEST)
        since = before.since if before is not None else now
        values = {"mail_id": mail_id, "since": since, "lines": json.dumps(list(lines)), "looks": looks}
        reason = f"waits for the settings: {'; '.join(lines)}"
        with side_effect(SideEffect.DEFER), self._store.database.write() as db:
            upsert(db, mailbox_pause, {"mailbox": mailbox, **values})
            condition = sa.and_(mail.c.id == mail_id, mail.c.state.in_(OPEN))
            db.execute(sa.update(mail).where(condition).values(next_try_at=at, reason=reason, changed_at=now))
            if before is None or before.lines != tuple(lines):
                write_steps(db, mail_id, (reason,), now)
        return at

    def wait(self, mail_id: int, pause: MailboxPause) -> str:
        """Given a message of a paused mailbox, have it wait for the end of the pause. Return the reason, in one
        line."""
        now = self._store.clock()
        reason = (
            f"waits: mailbox {pause.mailbox} is paused because of message {pause.mail_id}: {'; '.join(pause.lines)}"
        )
        with side_effect(SideEffect.DEFER), self._store.database.write() as db:
            condition = sa.and_(mail.c.id == mail_id, mail.c.state.in_(OPEN))
            waits = {"next_try_at": UNTIL_FIT, "paused_by": pause.mailbox, "reason": reason, "changed_at": now}
            db.execute(sa.update(mail).where(condition).values(waits))
            write_steps(db, mail_id, (reason,), now)
        return reason

    def end(self, mailboxes: Collection[str]) -> int:
        """Given mailboxes whose pause is over, make the messages that wait for it due, from whichever mailbox. Return
        how many.
        """
        with side_effect(SideEffect.DEFER), self._store.database.write() as db:
            db.execute(sa.delete(mailbox_pause).where(mailbox_pause.c.mailbox.in_(mailboxes)))
            still = sa.func.coalesce(mail.c.paused_by, "").in_(
                sa.select(mailbox_pause.c.mailbox)
            )  # another mailbox's pause continues
            waiting = sa.and_(mail.c.state.in_(OPEN), mail.c.next_try_at == UNTIL_FIT, sa.not_(still))
            return db.execute(sa.update(mail).where(waiting).values(next_try_at=0.0)).rowcount

    def look_now(self) -> None:
        """Make the messages that revealed a pause due: an admin asks for it, or the service restarts."""
        of_pauses = sa.select(mailbox_pause.c.mail_id)
        with side_effect(SideEffect.DEFER), self._store.database.write() as db:
            condition = sa.and_(mail.c.id.in_(of_pauses), mail.c.state.in_(OPEN))
            db.execute(sa.update(mail).where(condition).values(next_try_at=0.0))

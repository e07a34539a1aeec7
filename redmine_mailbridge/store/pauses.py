"""Mailboxes that are paused since their settings do not fit Redmine as it is now, and the mails that wait for that.

One mail of a paused mailbox, the one that found it out, is tried now and then; all others wait until it got through, or
came to any other end. A pause and the end of a pause are one transaction each, with the mails that they concern.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN, pause_after
from redmine_mailbridge.side_effects import Effect, effect
from redmine_mailbridge.store.dialects import upsert
from redmine_mailbridge.store.due import UNTIL_FIT
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.tables import mail, mailbox_pause

LONGEST = 300.0
"""Seconds between two looks at a paused mailbox at most."""


@dataclass(frozen=True, slots=True)
class MailboxPause:
    """A mailbox that is paused: `mail_id` is the mail that found it out, `since` when (epoch seconds), `lines` what
    does not fit, `looks` how often that was found.
    """

    mailbox: str
    mail_id: int
    since: float
    lines: tuple[str, ...]
    looks: int

    @property
    def words(self) -> str:
        """What an admin is to know, in one line."""
        return (
            f"paused, since its settings do not fit Redmine: {'; '.join(self.lines)}. Put it right there or in "
            f"[mailboxes.{self.mailbox}] (`check` tells all that does not fit); what waits goes on by itself then"
        )


class MailboxPauses:
    """The pauses of a store. Only who holds the service's lock changes them. Safe to share among threads."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> dict[str, MailboxPause]:
        """The mailboxes that are paused, by name."""
        with self._store.database.read() as db:
            rows = db.execute(sa.select(mailbox_pause)).all()
        return {
            row.mailbox: MailboxPause(row.mailbox, row.mail_id, row.since, tuple(json.loads(row.lines)), row.looks)
            for row in rows
        }

    def pause(self, mailbox: str, mail_id: int, lines: Sequence[str], before: MailboxPause | None) -> float:
        """Given a mailbox, the mail that found out that its settings do not fit, and what does not, pause it (longer,
        where it was paused `before`). Return when that mail is tried again (epoch seconds).
        """
        now = self._store.clock()
        looks = before.looks + 1 if before is not None else 1
        at = now + min(pause_after(looks), LONGEST)
        since = before.since if before is not None else now
        values = {"mail_id": mail_id, "since": since, "lines": json.dumps(list(lines)), "looks": looks}
        reason = f"waits for the settings: {'; '.join(lines)}"
        with effect(Effect.DEFER), self._store.database.write() as db:
            upsert(db, mailbox_pause, {"mailbox": mailbox, **values})
            one = sa.and_(mail.c.id == mail_id, mail.c.state.in_(OPEN))
            db.execute(sa.update(mail).where(one).values(next_try_at=at, reason=reason, changed_at=now))
            if before is None or before.lines != tuple(lines):
                write_steps(db, mail_id, (reason,), now)
        return at

    def wait(self, mail_id: int, pause: MailboxPause) -> str:
        """Given a mail of a paused mailbox, have it wait for the end of that. Return why, in one line."""
        now = self._store.clock()
        reason = f"waits, as mailbox {pause.mailbox} is paused for mail {pause.mail_id}: {'; '.join(pause.lines)}"
        with effect(Effect.DEFER), self._store.database.write() as db:
            one = sa.and_(mail.c.id == mail_id, mail.c.state.in_(OPEN))
            waits = {"next_try_at": UNTIL_FIT, "paused_by": pause.mailbox, "reason": reason, "changed_at": now}
            db.execute(sa.update(mail).where(one).values(waits))
            write_steps(db, mail_id, (reason,), now)
        return reason

    def end(self, mailboxes: Collection[str]) -> int:
        """Given mailboxes whose pause is over, have the mails be due that wait for it, wherever they were read. Return
        how many that are.
        """
        with effect(Effect.DEFER), self._store.database.write() as db:
            db.execute(sa.delete(mailbox_pause).where(mailbox_pause.c.mailbox.in_(mailboxes)))
            still = sa.func.coalesce(mail.c.paused_by, "").in_(
                sa.select(mailbox_pause.c.mailbox)
            )  # another mailbox's pause goes on
            waiting = sa.and_(mail.c.state.in_(OPEN), mail.c.next_try_at == UNTIL_FIT, sa.not_(still))
            return db.execute(sa.update(mail).where(waiting).values(next_try_at=0.0)).rowcount

    def look_now(self) -> None:
        """Have the mails be due that found out why a mailbox is paused: somebody asks, or begins anew."""
        of_pauses = sa.select(mailbox_pause.c.mail_id)
        with effect(Effect.DEFER), self._store.database.write() as db:
            one = sa.and_(mail.c.id.in_(of_pauses), mail.c.state.in_(OPEN))
            db.execute(sa.update(mail).where(one).values(next_try_at=0.0))

"""The messages of a POP3 maildrop, whose server may reuse a UIDL."""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.errors import StoreError
from redmine_mailbridge.mailboxes.pop3.mailbox import FOLDER, VALIDITY
from redmine_mailbridge.mailboxes.pop3.unique_ids import SIGN, MaildropMemory, RememberedMail
from redmine_mailbridge.side_effects import SideEffect, side_effect
from redmine_mailbridge.store.chunks import chunks
from redmine_mailbridge.store.folder_cursors import AT_ONCE
from redmine_mailbridge.store.mails.filing import GONE
from redmine_mailbridge.store.mails.steps import write_steps
from redmine_mailbridge.store.messages import Store
from redmine_mailbridge.store.tables import mail

HEAD = 256 * 1024
"""Bytes of a stored message that are read for its header."""
GONE_AT_MOST = 3
"""How many deleted messages with the same UIDL are compared with one that has it now."""


class Maildrop(MaildropMemory):
    """The store's view of one mailbox. `name` returns the mailbox's name, which identifies its messages."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name

    def __call__(self, uids: Sequence[str]) -> Collection[str]:
        """Given names, return those of known messages that are not gone."""
        return self._store.known(self._name, FOLDER, uids, uid_validity=VALIDITY)

    def mails(self, uidls: Collection[str]) -> Iterator[RememberedMail]:
        """Given UIDLs, yield the messages known by them, those that are not gone first, the newest first."""
        columns = (mail.c.id, mail.c.uid, mail.c.size, mail.c.uid_validity, mail.c.raw, mail.c.digest, mail.c.truncated)
        ours = sa.select(*columns).where(mail.c.mailbox == self._name, mail.c.folder == FOLDER)
        ordered = sorted(uidls)
        rows: list[Any] = []
        with self._store.database.read() as db:
            for some in chunks(ordered, AT_ONCE):
                rows += db.execute(ours.where(mail.c.uid.in_(some))).all()
            namesakes = db.execute(ours.where(mail.c.uid.contains(SIGN, autoescape=True))).all()
        exact = set(ordered)
        rows += [row for row in namesakes if row.uid.partition(SIGN)[0] in exact and row.uid not in exact]
        seen: dict[str, int] = {}
        for row in sorted(rows, key=lambda row: (row.uid_validity != VALIDITY, -row.id)):
            gone = row.uid_validity != VALIDITY
            seen[row.uid] = seen.get(row.uid, 0) + gone
            if seen[row.uid] <= GONE_AT_MOST:
                digest = None if row.truncated else row.digest
                yield RememberedMail(row.id, row.uid, row.size, gone, self._head_of(row.raw), digest)

    def _head_of(self, raw: str | None) -> Callable[[], bytes | None]:
        def head() -> bytes | None:
            try:
                return bytes(self._store.raw.read(raw)[:HEAD]) if raw is not None else None
            except StoreError:
                return None

        return head

    def is_back(self, known: RememberedMail, uid: str) -> None:
        """A message that was gone is listed again: the server did not delete it, or it was put back. It stays."""
        now, words = self._store.clock(), "the server lists it again after it was gone: left in place"
        with side_effect(SideEffect.RECORD_FILED), self._store.database.write() as db:
            where = {"uid_validity": VALIDITY, "uid": uid, "filed_to": f"left in {FOLDER}: {words}"}
            same = (mail.c.id == known.id, mail.c.uid_validity.startswith(GONE))
            if db.execute(sa.update(mail).where(*same).values(where)).rowcount == 1:
                write_steps(db, known.id, (words,), now)

"""The accounts behind the names of mailboxes, and what happens in the store when a name changes.

A mailbox is an account. Its name in the settings is a label, which all rows in the store use; when the label
changes, these rows are updated. When an account moves to another server, its messages are in other folders: the
UIDVALIDITY of its folders ends, as if each had changed, whatever number the new server assigns.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from redmine_mailbridge.model.mail_state import OPEN
from redmine_mailbridge.store.database import Database
from redmine_mailbridge.store.dialects import is_there, upsert
from redmine_mailbridge.store.note_decisions import MAILED
from redmine_mailbridge.store.tables import (
    account,
    begun_issue,
    content,
    folder,
    issue,
    left_lying,
    mail,
    mailbox_pause,
    meta,
    oauth_token,
    outbox,
    task_next,
    task_override,
    task_run,
    task_wish,
)
from redmine_mailbridge.util.dataclass import dataclass

LABELLED: tuple[sa.ColumnElement[Any], ...] = (
    mail.c.mailbox, mail.c.paused_by, folder.c.mailbox, left_lying.c.mailbox, outbox.c.mailbox, account.c.mailbox,
    issue.c.mailbox, begun_issue.c.mailbox, mailbox_pause.c.mailbox,
)  # fmt: skip
"""The columns that contain only a mailbox's name."""
NAMED: tuple[tuple[sa.ColumnElement[Any], str], ...] = (
    (meta.c.key, "released:{}"),
    (meta.c.key, "braked:{}"),
    (meta.c.key, "begun:{}"),
    (meta.c.key, "begun-commands:{}"),
    *((meta.c.key, f"answers:{{}}:{what}") for what in MAILED),
    *((table.c.name, "receive:{}") for table in (task_override, task_wish, task_next, task_run)),
    (oauth_token.c.connection, "{}"),
    (oauth_token.c.connection, "{}/outgoing"),
)
"""The columns that contain it within a longer name."""
TAG = "@"
"""Separator between a UIDVALIDITY and the number of the move that ended it. No server's UIDVALIDITY contains it."""


@dataclass(frozen=True, slots=True)
class KnownMailbox:
    """A mailbox in the store. `account` and `address` are None if an earlier version stored none."""

    name: str
    account: str | None = None
    address: str | None = None
    folders: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MailboxRenaming:
    """The changes to the store: `names` from old to new (a partial permutation), `moved` the new names of mailboxes
    whose account is now on another server, `folders` those that another name of the same account reads now (old name,
    folder, new name).
    """

    names: Mapping[str, str]
    moved: Collection[str] = ()
    folders: Sequence[tuple[str, str, str]] = ()


class Accounts:
    """Reads and changes which mailbox owns which messages."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self) -> dict[str, KnownMailbox]:
        """The mailboxes known to the store, by name."""
        with self._database.read() as db:
            accounts = {row.mailbox: row for row in db.execute(sa.select(account))}
            folders: dict[str, set[str]] = {name: set() for name in accounts}
            for row in db.execute(sa.select(folder.c.mailbox, folder.c.folder)):
                folders.setdefault(row.mailbox, set()).add(row.folder)
        return {
            name: KnownMailbox(name, accounts[name].account, accounts[name].address, frozenset(read))
            if name in accounts
            else KnownMailbox(name, folders=frozenset(read))
            for name, read in folders.items()
        }

    def open_in(self) -> frozenset[str]:
        """The names of the mailboxes with open messages."""
        query = sa.select(mail.c.mailbox).where(mail.c.state.in_(OPEN)).group_by(mail.c.mailbox)
        with self._database.read() as db:
            return frozenset(db.execute(query).scalars())

    def settle(self, change: MailboxRenaming, present: Mapping[str, tuple[str, str]]) -> None:
        """Apply these changes, and store the mailboxes with their current account and address by name."""
        with self._database.write() as db:
            labels = {old: f"~{number}" for number, old in enumerate(sorted(change.names))}
            for old, label in labels.items():
                self._relabel(db, old, label)
            for old, new in sorted(change.names.items()):
                self._relabel(db, labels[old], new)
            for name in sorted(change.moved):
                self._end_validity(db, name)
            for old, name, new in change.folders:
                for table in (mail, folder, left_lying):
                    of_folder = sa.and_(table.c.mailbox == old, table.c.folder == name)
                    db.execute(sa.update(table).where(of_folder).values(mailbox=new))
            for name, (whose, address) in sorted(present.items()):
                self._remember(db, name, whose, address)

    def _relabel(self, db: sa.Connection, old: str, new: str) -> None:
        for column in LABELLED:
            self._rename(db, column, old, new)
        for column, form in NAMED:
            before, after = form.format(old), form.format(new)
            there = is_there(db, sa.select(column).where(column == after))
            if not there or column.table.name == "task_run":  # existing rows under the new name are kept
                self._rename(db, column, before, after)
        scope = f"{old}/"  # of keys that are scoped to a mailbox
        for column in (content.c.key, mail.c.content_key):
            scoped = sa.func.substr(column, 1, len(scope)) == scope
            moved = sa.literal(f"{new}/").concat(sa.func.substr(column, len(scope) + 1))
            db.execute(sa.update(column.table).where(scoped).values({column: moved}))

    @staticmethod
    def _rename(db: sa.Connection, column: sa.ColumnElement[Any], old: str, new: str) -> None:
        db.execute(sa.update(column.table).where(column == old).values({column: new}))

    def _end_validity(self, db: sa.Connection, name: str) -> None:
        """The folders of this name are on another server now."""
        number = int(db.execute(sa.select(account.c.moves).where(account.c.mailbox == name)).scalar() or 0) + 1
        db.execute(sa.update(account).where(account.c.mailbox == name).values(moves=number))
        for table in (mail, folder):
            untagged = sa.and_(table.c.mailbox == name, table.c.uid_validity.not_like(f"%{TAG}%"))
            ended = table.c.uid_validity.concat(f"{TAG}{number}")
            db.execute(sa.update(table).where(untagged).values(uid_validity=ended))

    @staticmethod
    def _remember(db: sa.Connection, name: str, whose: str, address: str) -> None:
        upsert(db, account, {"mailbox": name, "account": whose, "address": address})
